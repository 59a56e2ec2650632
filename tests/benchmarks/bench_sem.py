"""Speed of structural equation models against lavaan, side by side in one run on one machine.

Run by hand: ``python tests/benchmarks/bench_sem.py`` (``--growth`` for how time grows with the size of the task). Each
round times cipa and then lavaan (whole calls: standard errors, test and baseline model included), so that a loaded machine
slows both; the ratio of the medians of CPU seconds is printed, with a number that both computed. Without ``Rscript`` (or
lavaan) only cipa's times are shown. One BLAS thread for both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import warnings

import numpy as np
import pandas as pd

import cipa as ci

ROUNDS = 3
ITEMS = [f"x{j}" for j in range(1, 10)]
NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
DEMOCRACY = (
    "ind60 =~ x1 + x2 + x3\ndem60 =~ y1 + y2 + y3 + y4\ndem65 =~ y5 + y6 + y7 + y8\ndem60 ~ a*ind60\ndem65 ~ ind60 + b*dem60\n"
    "y1 ~~ y5\ny2 ~~ y4 + y6\ny3 ~~ y7\ny4 ~~ y8\ny6 ~~ y8\nab := a*b"
)
FORTY = "\n".join(
    [f"f{k} =~ " + " + ".join(f"y{5 * k - 4 + j}" for j in range(5)) for k in range(1, 9)]
    + [f"f{k} ~ f1 + f2 + f3 + f4" for k in range(5, 9)]
)
TWENTY = "\n".join(f"f{k} =~ " + " + ".join(f"y{5 * k - 4 + j}" for j in range(5)) for k in range(1, 5))
LEVELS = ("configural", "metric", "scalar", "strict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One comparison: what cipa runs, the R expression `run` evaluates, and the number both return."""

    name: str
    goal: float
    data: pd.DataFrame
    syntax: str
    ours: Callable[[pd.DataFrame, str], float]
    theirs: str
    times: tuple[int, int]


def forty_items(nobs: int) -> pd.DataFrame:
    """Eight constructs of five items, four of them predicted by the others."""
    rng = np.random.default_rng(1)
    eta = rng.normal(size=(nobs, 8))
    eta[:, 4:] = 0.7 * eta[:, 4:] + 0.3 * eta[:, :4].sum(axis=1, keepdims=True)
    items = np.repeat(eta, 5, axis=1) * 0.8 + rng.normal(size=(nobs, 40)) * 0.6
    return pd.DataFrame(items, columns=[f"y{j + 1}" for j in range(40)])


def nine_items(missing: float = 0.0, *, school: bool = False) -> pd.DataFrame:
    """Holzinger and Swineford's nine tests, with cells removed at random."""
    data = ci.datasets.load("holzinger1939").to_frame()
    rng = np.random.default_rng(2)
    items = data[ITEMS].mask(rng.random((len(data), 9)) < missing)
    return items.assign(school=data["school"]) if school else items


def twenty_answers(nobs: int) -> pd.DataFrame:
    """Four constructs of five items with five answers."""
    rng = np.random.default_rng(3)
    eta = rng.normal(size=(nobs, 4)) + 0.6 * rng.normal(size=(nobs, 1))
    y = 0.7 * np.repeat(eta, 5, axis=1) + rng.normal(size=(nobs, 20))
    return pd.DataFrame(np.digitize(y, [-1.2, -0.4, 0.4, 1.2]) + 1, columns=[f"y{j + 1}" for j in range(20)])


def chisq(**options: Any) -> Callable[[pd.DataFrame, str], float]:
    """A fit whose (scaled) chi-square is returned."""

    def run(data: pd.DataFrame, syntax: str) -> float:
        measures = ci.fit_measures(ci.SEM(syntax, **options).fit(data))
        return measures.get("chisq.scaled", measures["chisq"])

    return run


def ladder(data: pd.DataFrame, syntax: str) -> float:
    """Configural to strict invariance, with difference tests."""
    found = ci.invariance(ci.SEM(syntax), data, group="school", levels=LEVELS)
    return ci.fit_measures(found.fits[-1])["chisq"]


def bootstrap(draws: int, parameter: str) -> Callable[[pd.DataFrame, str], float]:
    """Standard deviation of a parameter over draws."""

    def run(data: pd.DataFrame, syntax: str) -> float:
        return ci.bootstrap(ci.SEM(syntax).fit(data), draws=draws, seed=1).estimates[parameter].std_error

    return run


R_FIT = 'run <- function() fitMeasures(sem(model, data{}), "{}")[[1]]'
R_LADDER = """run <- function() {
  steps <- list("none", "loadings", c("loadings", "intercepts"), c("loadings", "intercepts", "residuals"))
  fits <- lapply(steps, function(equal) cfa(model, data, group = "school", group.equal = equal))
  do.call(lavTestLRT, fits); lapply(fits, fitMeasures); fitMeasures(fits[[4]], "chisq")[[1]] }"""
R_BOOT = (
    'run <- function() {{ fit <- sem(model, data, se = "bootstrap", bootstrap = {}); with(parameterEstimates(fit), se[{}]) }}'
)


def tasks() -> list[Task]:
    """What is compared, with the ratio that is wanted."""
    return [
        Task(name="9 items, n=301", goal=5, data=nine_items(), syntax=NINE, ours=chisq(), theirs=R_FIT.format("", "chisq"),
             times=(40, 15)),
        Task(name="40 items, n=500", goal=10, data=forty_items(500), syntax=FORTY, ours=chisq(), theirs=R_FIT.format("", "chisq"),
             times=(20, 7)),
        Task(name="40 items, n=50,000", goal=20, data=forty_items(50_000), syntax=FORTY, ours=chisq(),
             theirs=R_FIT.format("", "chisq"), times=(7, 3)),
        Task(name="FIML, 9 items, 15 % missing", goal=8, data=nine_items(0.15), syntax=NINE, ours=chisq(missing="fiml"),
             theirs=R_FIT.format(', missing = "fiml"', "chisq"), times=(10, 3)),
        Task(name="MLR, 40 items, n=500", goal=8, data=forty_items(500), syntax=FORTY, ours=chisq(estimator="mlr"),
             theirs=R_FIT.format(', estimator = "MLR"', "chisq.scaled"), times=(10, 3)),
        Task(name="WLSMV, 20 items of 5 answers, n=1,000", goal=5, data=twenty_answers(1000), syntax=TWENTY, ours=chisq(ordered=True),
             theirs=R_FIT.format(", ordered = TRUE", "chisq.scaled"), times=(5, 2)),
        Task(name="invariance, configural to strict", goal=8, data=nine_items(school=True), syntax=NINE, ours=ladder, theirs=R_LADDER,
             times=(10, 3)),
        Task(name="1,000 draws, 9 items", goal=25, data=nine_items(), syntax=NINE, ours=bootstrap(1000, "visual =~ x2"),
             theirs=R_BOOT.format(1000, 'lhs == "visual" & rhs == "x2"'), times=(2, 1)),
        Task(name="1,000 draws, mediation", goal=30, data=ci.datasets.load("political_democracy").to_frame(), syntax=DEMOCRACY,
             ours=bootstrap(1000, "ab"), theirs=R_BOOT.format(1000, 'lhs == "ab"'), times=(2, 1)),
    ]  # fmt: skip


R_SCRIPT = """
suppressMessages(library(lavaan)); options(warn = -1)
times <- as.integer(commandArgs(trailingOnly = TRUE)[1])
data <- read.csv("data.csv"); model <- readLines("model.lav")
{run}
value <- if (times > 1) run() else NA
spent <- sapply(seq_len(times), function(i) {{ used <- system.time(value <<- run()); used[["user.self"]] + used[["sys.self"]] }})
cat(median(spent), value, "\\n")
"""


def seconds(function: Callable[[], float], times: int) -> tuple[float, float]:
    """Median CPU time of a call, and what it returns."""
    value = function()
    spent = []
    for _ in range(times):
        start = time.process_time()
        function()
        spent.append(time.process_time() - start)
    return float(np.median(spent)), value


def lavaan_seconds(task: Task) -> tuple[float, float] | None:
    """The same in R; None where R or lavaan is absent."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "bench.R").write_text(R_SCRIPT.format(run=task.theirs))
        (folder / "model.lav").write_text(task.syntax)
        task.data.to_csv(folder / "data.csv", index=False)
        call = ["Rscript", "bench.R", str(task.times[1])]
        done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-300:], file=sys.stderr)
        return None
    spent, value = done.stdout.split()[-2:]
    return float(spent), float(value)


def compare(chosen: list[Task]) -> pd.DataFrame:
    """Time every task in turn: medians over rounds, and their ratio."""
    rows = []
    for task in chosen:
        mine, other = [], []
        for _ in range(ROUNDS if task.times[1] > 1 else 1):
            mine.append(seconds(lambda task=task: task.ours(task.data, task.syntax), task.times[0]))
            found = lavaan_seconds(task)
            if found:
                other.append(found)
        ours, theirs = np.median([one[0] for one in mine]), np.median([one[0] for one in other]) if other else np.nan
        rows.append({"task": task.name, "cipa_s": ours, "lavaan_s": theirs, "ratio": theirs / ours, "goal": task.goal,
                     "cipa": mine[-1][1], "lavaan": other[-1][1] if other else np.nan})  # fmt: skip
    return pd.DataFrame(rows)


def measured(items: int, nobs: int, *, groups: int = 1, patterns: int = 0) -> tuple[pd.DataFrame, str]:
    """Constructs of five items each, in groups, with cells missing in so many patterns, and their syntax."""
    rng = np.random.default_rng(4)
    eta = rng.normal(size=(nobs, items // 5)) + 0.7 * rng.normal(size=(nobs, 1))
    data = pd.DataFrame(
        0.8 * np.repeat(eta, 5, axis=1) + 0.6 * rng.normal(size=(nobs, items)), columns=[f"y{j}" for j in range(items)]
    )
    if patterns:
        holes = np.unique(rng.random((4 * patterns, items)) < 0.15, axis=0)[1 : patterns + 1]
        data = data.mask(holes[np.arange(nobs) % len(holes)])
    data["g"] = np.arange(nobs) % groups
    return data, "\n".join(f"f{k} =~ " + " + ".join(f"y{5 * k + j}" for j in range(5)) for k in range(items // 5))


def growth() -> pd.DataFrame:
    """CPU time of cipa by the size of the task, one size at a time: exponent of the last step."""
    tasks: dict[str, tuple[list[int], Callable[[int], Callable[[], object]]]] = {
        "cases (20 items)": ([1_000, 10_000, 100_000, 1_000_000], lambda n: fitting(*measured(20, n))),
        "items (n=2,000)": ([10, 20, 40, 80], lambda p: fitting(*measured(p, 2_000))),
        "groups (20 items, 500 each)": ([2, 4, 8, 16], lambda g: fitting(*measured(20, 500 * g, groups=g), group="g")),
        "patterns (20 items, n=4,000)": (
            [50, 100, 200, 400],
            lambda r: fitting(*measured(20, 4_000, patterns=r), missing="fiml"),
        ),
        "draws (9 items)": ([250, 500, 1_000, 2_000], lambda b: lambda: bootstrap(b, "visual =~ x2")(nine_items(), NINE)),
    }
    rows = []
    for name, (sizes, task) in tasks.items():
        times = [seconds(task(size), 3)[0] for size in sizes]  # type: ignore[arg-type]
        power = np.log(times[-1] / times[-2]) / np.log(sizes[-1] / sizes[-2])
        found = {str(k): f"{size:,}: {1e3 * spent:.0f} ms" for k, (size, spent) in enumerate(zip(sizes, times, strict=True))}
        rows.append({"grows": name, **found, "exponent": power})
    return pd.DataFrame(rows)


def fitting(data: pd.DataFrame, syntax: str, **options: Any) -> Callable[[], object]:
    """A fit of these data."""
    return lambda: ci.SEM(syntax, **options).fit(data)


def main() -> None:
    """Print the ratios, or with --growth the times by size."""
    warnings.simplefilter("ignore")
    if "--growth" in sys.argv:
        print(growth().to_string(index=False, float_format=lambda value: f"{value:.2f}"))
        return
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    chosen = [task for task in tasks() if not words or any(word in task.name for word in words)]
    print(compare(chosen).to_string(index=False, float_format=lambda value: f"{value:.4g}"))


if __name__ == "__main__":
    main()
