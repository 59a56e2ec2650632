"""The study of study.toml in Python: the survey's structural model, the firms' panel, and moderation."""

import cipa as ci

survey = ci.screen(ci.datasets.load("cluster_survey"), attention={"attn": 5}, min_time={"minutes": 4.5}, longstring=10)
survey = ci.derive(ci.reverse(survey), {"lnsize": "zscore(log(employees))", "lnage": "age / 10"})

model = ci.SEM(
    """
    FIRM =~ firm1 + firm2 + firm3 + firm4 + firm5
    HS =~ hs1 + hs2 + hs3
    CS =~ cs1 + cs2 + cs3
    TS =~ ts1 + ts2 + ts3
    PS =~ ps1 + ps2 + ps3
    COL =~ HS + CS + TS + PS
    ENV =~ env1 + env2 + env3 + env4 + env5
    INET =~ inet1 + inet2 + inet3 + inet4 + inet5 + inet6
    RI =~ opt1 + opt2 + liq1 + liq2 + sha1 + sha2
    MS =~ ms1 + ms2 + ms3 + ms4
    CIP =~ cip1 + cip2 + cip3 + cip4 + cip5
    RI ~ FIRM + COL + ENV + INET
    MS ~ FIRM + COL + ENV + INET
    CIP ~ FIRM + COL + ENV + RI + MS + INET + lnsize + lnage + soe
    RI ~~ MS
    sha1 ~~ sha2
    """,
    missing="fiml_x",
)
fit = model.fit(survey)
print(fit)
print(ci.reliability(fit))
print(ci.indirect(fit, "COL -> RI -> CIP", draws=20_000, seed=2019))
ci.path_diagram(fit).save("path_diagram.svg")

firms = ci.derive(
    ci.datasets.load("cluster_panel"),
    {"ln_nps": "log(new_product_sales)", "ln_rd": "log(rd_exp)", "lp": "log1p(partners) - 1.8", "ln_employees": "log(employees)",
     "ln_subsidy": "log1p(subsidy)"},
)  # fmt: skip
panel = ci.Panel(
    "ln_nps ~ ln_rd + lp*iplus + ln_employees + ln_subsidy", effects=("entity", "time"), vcov=ci.clustered("cluster_id")
).fit(firms)
print(panel)
print(ci.simple_slopes(panel, "ln_nps ~ lp", by="iplus", values=[0, 1]))
