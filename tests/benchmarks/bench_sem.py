"""Speed of structural equation models against lavaan, side by side in one run on one machine.

Run by hand: ``python tests/benchmarks/bench_sem.py``. Each round times cipa and then lavaan (whole calls: standard
errors, test and baseline model included), so that a loaded machine slows both; the ratio of medians is printed.
Without ``Rscript`` (or lavaan) only cipa's times are shown. One BLAS thread for both.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
import pandas as pd

import cipa as ci

ROUNDS = 3
NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
FORTY = "\n".join(
    [f"f{k} =~ " + " + ".join(f"y{5 * k - 4 + j}" for j in range(5)) for k in range(1, 9)]
    + [f"f{k} ~ f1 + f2 + f3 + f4" for k in range(5, 9)]
)
GOALS = {"9 items, n=301": 5, "40 items, n=500": 10, "40 items, n=50,000": 20, "FIML, 9 items, 15 % missing": 8}

R_SCRIPT = r"""
suppressMessages(library(lavaan))
job <- commandArgs(trailingOnly = TRUE)
data <- read.csv(job[1]); model <- readLines(job[2]); missing <- job[3]; times <- as.integer(job[4])
fit <- sem(model, data, missing = missing)
spent <- sapply(seq_len(times), function(i) system.time(sem(model, data, missing = missing))[["elapsed"]])
cat(median(spent), fitMeasures(fit, "chisq"), "\n")
"""


def forty_items(nobs: int) -> pd.DataFrame:
    """Eight constructs of five items, four of them predicted by the others."""
    rng = np.random.default_rng(1)
    eta = rng.normal(size=(nobs, 8))
    eta[:, 4:] = 0.7 * eta[:, 4:] + 0.3 * eta[:, :4].sum(axis=1, keepdims=True)
    items = np.repeat(eta, 5, axis=1) * 0.8 + rng.normal(size=(nobs, 40)) * 0.6
    return pd.DataFrame(items, columns=[f"y{j + 1}" for j in range(40)])


def nine_items(missing: float) -> pd.DataFrame:
    """Holzinger and Swineford's nine tests, with cells removed at random."""
    data = ci.datasets.load("holzinger1939").to_frame()[[f"x{j}" for j in range(1, 10)]]
    rng = np.random.default_rng(2)
    return data.mask(rng.random(data.shape) < missing)


def seconds(function, times: int) -> float:
    """Median time of a call."""
    function()
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        spent.append(time.perf_counter() - start)
    return float(np.median(spent))


def lavaan_seconds(folder: Path, data: pd.DataFrame, syntax: str, missing: str, times: int) -> tuple[float, float] | None:
    """Median time of lavaan::sem and its chi-square; None where R or lavaan is absent."""
    if shutil.which("Rscript") is None:
        return None
    (folder / "bench.R").write_text(R_SCRIPT)
    (folder / "model.lav").write_text(syntax)
    if not (folder / "data.csv").exists():
        data.to_csv(folder / "data.csv", index=False)
    call = ["Rscript", "bench.R", "data.csv", "model.lav", missing, str(times)]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-300:], file=sys.stderr)
        return None
    spent, chisq = done.stdout.split()[-2:]
    return float(spent), float(chisq)


def main() -> None:
    """Time every task in turn and print the ratios."""
    tasks = {
        "9 items, n=301": (nine_items(0.0), NINE, "listwise", 40, 15),
        "40 items, n=500": (forty_items(500), FORTY, "listwise", 20, 7),
        "40 items, n=50,000": (forty_items(50_000), FORTY, "listwise", 7, 3),
        "FIML, 9 items, 15 % missing": (nine_items(0.15), NINE, "fiml", 15, 5),
    }
    rows = []
    for name, (data, syntax, missing, ours, theirs) in tasks.items():
        model = ci.SEM(syntax, missing=missing)
        mine, other, gap = [], [], float("nan")
        with tempfile.TemporaryDirectory() as place:
            for _ in range(ROUNDS):
                mine.append(seconds(lambda model=model, data=data: model.fit(data), ours))
                found = lavaan_seconds(Path(place), data, syntax, missing, theirs)
                if found:
                    other.append(found[0])
                    gap = abs(found[1] - model.fit(data).statistics["chisq"].value)
        ratio = float(np.median(other) / np.median(mine)) if other else float("nan")
        rows.append({"task": name, "cipa_ms": 1e3 * np.median(mine), "lavaan_ms": 1e3 * np.median(other) if other else None,
                     "ratio": ratio, "goal": GOALS[name], "chisq_gap": gap})  # fmt: skip
    print(pd.DataFrame(rows).to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    print(json.dumps({"python": sys.version.split()[0], "numpy": np.__version__}))


if __name__ == "__main__":
    main()
