"""Baltagi's Grunfeld tables, in Python."""

import cipa as ci

data = ci.datasets.load("grunfeld")
formula = "inv ~ value + capital"
fits = {
    "pooled": ci.Panel(formula, method="pooled").fit(data),
    "between": ci.Panel(formula, method="between").fit(data),
    "within": ci.Panel(formula).fit(data),
    "random": ci.Panel(formula, method="random").fit(data),
    "two-way": ci.Panel(formula, effects=("entity", "time")).fit(data),
}
print(ci.compare(*fits.values(), names=list(fits)))
print(ci.Panel(formula, vcov=ci.clustered("firm")).fit(data))
