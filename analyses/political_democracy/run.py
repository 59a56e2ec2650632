"""Bollen's (1989) model of industrialization and political democracy, in Python."""

import cipa as ci

model = ci.SEM("""
    ind60 =~ x1 + x2 + x3
    dem60 =~ y1 + y2 + y3 + y4
    dem65 =~ y5 + y6 + y7 + y8
    dem60 ~ ind60
    dem65 ~ ind60 + dem60
    y1 ~~ y5
    y2 ~~ y4 + y6
    y3 ~~ y7
    y4 ~~ y8
    y6 ~~ y8
""")
fit = model.fit(ci.datasets.load("political_democracy"))
print(fit)
print(ci.standardized(fit))
print(ci.indirect(fit, "ind60 -> dem60 -> dem65", draws=20_000, seed=1989))
