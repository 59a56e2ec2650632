"""R² of pyfixest 0.60.0 (run with its own Python) and linearmodels 7.1, for tests/models/panel/test_r_squared.py.

python run.py pyfixest > pyfixest.json        python run.py linearmodels > linearmodels.json
"""

from __future__ import annotations

import json
import sys
from importlib import import_module, metadata
from pathlib import Path

import pandas as pd

DATA = Path(__file__).parent.parent / "panel" / "data"
FILES = {
    "grunfeld": ("grunfeld.csv", "inv ~ value + capital", "firm", "year"),
    "produc": ("produc.csv", "gsp ~ pcap + emp + unemp", "state", "year"),
    "gaps": ("sim_clusters_gaps.csv", "lninnov ~ collab + rd", "firm", "year"),
}
EFFECTS = {"none": (), "entity": ("entity",), "time": ("time",), "both": ("entity", "time"), "dummies": ("entity",)}


def cases():
    """Name, data, formula, keys, effects, weights."""
    for name, (file, formula, entity, time) in FILES.items():
        data = pd.read_csv(DATA / file).assign(w=lambda d, time=time: 1 + d[time] % 3)
        for words, effects in EFFECTS.items():
            right = f"{formula} + C({time})" if words == "dummies" else formula
            for weights in (None, "w"):
                yield f"{name}_{words}{'_weights' if weights else ''}", data, right, entity, time, effects, weights


def pyfixest():
    """fixest's r2, ar2, wr2 and war2."""
    feols = import_module("pyfixest").feols
    found = {}
    for name, data, formula, entity, time, effects, weights in cases():
        swept = " + ".join({"entity": entity, "time": time}[effect] for effect in effects)
        fit = feols(f"{formula} | {swept}" if swept else formula, data, vcov="iid", fixef_rm="none", weights=weights)
        found[name] = {"r2": float(fit._r2), "r2_adj": float(fit._adj_r2)}
        if swept:
            found[name] |= {"r2_within": float(fit._r2_within), "r2_within_adj": float(fit._adj_r2_within)}
    return found


def linearmodels():
    """Inclusive R² and R² net of the effects; squared correlations within, between and overall with dummies of time."""
    panel = import_module("linearmodels.panel")
    found = {}
    for name, data, formula, entity, time, effects, weights in cases():
        if not effects or weights:
            continue
        indexed = data.set_index([entity, time], drop=False)
        right = formula.split(" ~ ")[1].split(" + C(")[0].split(" + ")
        X = indexed[right]
        if name.endswith("dummies"):
            X = X.join(pd.get_dummies(indexed[time], prefix="t", drop_first=True, dtype=float))
        options = {f"{effect}_effects": True for effect in effects}
        fit = panel.PanelOLS(indexed[formula.split(" ~ ")[0]], X, **options).fit()
        found[name] = {"r2": float(fit.rsquared_inclusive), "r2_within": float(fit.rsquared)}
        found[name] |= {f"corr_{part}": float(getattr(fit, f"corr_squared_{part}")) for part in ("within", "between", "overall")}
    return found


if __name__ == "__main__":
    program = sys.argv[1]
    values = {"pyfixest": pyfixest, "linearmodels": linearmodels}[program]()
    json.dump({"program": program, "version": metadata.version(program), "cases": values}, sys.stdout, indent=1)
