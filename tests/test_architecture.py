"""The floors of the house: a room imports only from floors below it; heavy libraries stay in their rooms."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "cipa"

FLOORS = {
    "arguments": 0, "progress": 1, "errors": 1, "frozen": 1, "threads": 1, "explain": 1, "numerics": 1, "terms": 2, "language": 2,
    "study": 3, "data": 4, "results": 5, "models": 6, "inference": 6, "evidence": 7,
    "report": 8, "preflight": 8, "analysis": 9, "cli": 10, "__main__": 11,
}  # fmt: skip

SEM_ROOMS = (
    "declare", "cases", "problem", "steps", "fit", "method", "answers", "population", "likelihood", "weighted", "twolevel", "methods",
    "estimate", "model", "after",
)  # fmt: skip
"""The rooms of structural equation models, in reading order: a room imports only from rooms before it."""

METHODS_OF_ESTIMATION = {"likelihood", "weighted", "twolevel"}

WITHIN_MODELS = {"sem": 1, "panel": 1, "engines": 2, "kinds": 3, "cross_check": 4}

HEAVY = {
    "pandas": {"data", "results/display.py", "results/estimates.py", "results/statistics.py", "models/engines"},
    "matplotlib": {"report/figures"},
    "seaborn": {"report/figures"},
    "jinja2": {"report/writers/html.py"},
    "typst": {"report/writers/pdf.py"},
    "linearmodels": {"models/engines/linearmodels.py"},
    "semopy": {"models/engines/semopy.py"},
    "statsmodels": {"models/engines/statsmodels.py"},
    "pyreadstat": {"data/formats/packages.py"},
    "python_calamine": {"data/formats/excel.py"},
    "threadpoolctl": {"threads.py"},
    "pyarrow": {"data/stream.py", "data/formats/packages.py"},
    "click": {"cli.py"},
}

FILES = sorted(path for path in PACKAGE.rglob("*.py") if not {"_datasets", "_analyses"} & set(path.parts))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> list[str]:
    """Full names of the modules that a file imports, for its types too: a circle of types is a circle."""
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name if name in MODULES else str(node.module) for name in names]
    return found


MODULES = {f"cipa.{name_of(path)}" for path in FILES}


def room(name: str) -> str:
    return name.removeprefix("cipa.").split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_down(path: Path) -> None:
    own = name_of(path)
    if not own:
        return  # cipa/__init__.py names the public names and loads none of them
    for other in (name for name in imports(path) if name.startswith("cipa.")):
        mine, theirs = room(own), room(other)
        if mine == theirs:
            if mine == "models":
                a, b = own.split(".")[1] if "." in own else "kinds", other.split(".")[2] if other.count(".") > 1 else "kinds"
                assert a == b or WITHIN_MODELS[b] < WITHIN_MODELS[a], f"{own} imports {other}"
            continue
        assert FLOORS[theirs] < FLOORS[mine], f"{own} (floor {FLOORS[mine]}) imports {other} (floor {FLOORS[theirs]})"
        if mine in ("report", "evidence"):
            assert theirs != "models", f"{own} imports {other}: whatever it needs stands in the fit"


def test_rooms_of_structural_equation_models_are_read_in_order() -> None:
    wrong = []
    for path in FILES:
        own = name_of(path).split(".")
        if own[:2] != ["models", "sem"] or len(own) < 3:
            continue
        for other in imports(path):
            parts = other.removeprefix("cipa.").split(".")
            if parts[:2] == ["models", "sem"] and parts[2] != own[2]:
                aside = {own[2], parts[2]} <= METHODS_OF_ESTIMATION
                wrong += [f"{own} imports {other}"] if aside or SEM_ROOMS.index(parts[2]) > SEM_ROOMS.index(own[2]) else []
    assert not wrong


def test_no_import_goes_round_in_a_circle() -> None:
    graph = {f"cipa.{name_of(path)}": {name for name in imports(path) if name in MODULES} for path in FILES if name_of(path)}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join([*above, name])
        if name not in done:
            for other in graph.get(name, ()):
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())
    assert len(done) >= len(graph)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    here = path.relative_to(PACKAGE).as_posix()
    for name in imports(path):
        allowed = HEAVY.get(name.split(".")[0])
        assert allowed is None or any(here == place or here.startswith(f"{place}/") for place in allowed), (
            f"{here} imports {name}"
        )
        if here.startswith("numerics/"):
            assert name.split(".")[0] in ("numpy", "scipy", "cipa", "__future__", "collections", "dataclasses", "functools", "itertools",
                                          "math", "typing"), f"{here} imports {name}"  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_import_inside_a_function_and_no_code_from_text(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inner = [one for one in ast.walk(node) if isinstance(one, (ast.Import, ast.ImportFrom))]
            assert not inner, f"{path.name}: {node.name} imports inside"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile", "__import__"), f"{path.name}: {node.func.id}()"
    doors = {"models/kinds.py", "report/publish.py", "__init__.py", "results/fit.py"}
    if "importlib" in imports(path) and path.relative_to(PACKAGE).as_posix() not in doors | {"cli.py"}:
        pytest.fail(f"{path.name} opens modules by name; the doors are {sorted(doors)}")


def test_no_folder_is_crowded() -> None:
    for folder in {path.parent for path in FILES}:
        assert len(list(folder.glob("*.py"))) <= 13 + 1, folder  # thirteen files and __init__.py


def test_value_types_are_frozen() -> None:
    loose = []
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "dataclass":
                        frozen = any(word.arg == "frozen" and getattr(word.value, "value", False) for word in mark.keywords)
                        loose += [] if frozen else [f"{path.name}: {node.name}"]
    assert not loose


BUDGETS = {
    "lines of a file": 400, "lines of a function's body": 40, "fields of a class": 16, "letters of a line": 130, "modules of a folder": 13,
}  # fmt: skip

OVER_BUDGET = {
    "cipa/models/panel/linear/transform.py: Transformed": 19,
    "cipa/models/sem/declare/declaration.py: Declaration": 24,
    "cipa/numerics/twolevel/incomplete.py: IncompleteClusters": 17,
    "cipa/results/answers.py: Answers": 18,
    "cipa/results/fit.py: Fit": 22,
}
"""What is larger than its budget, and how large: entries shrink and go, none grows or comes (the options of ci.SEM are what they are)."""


def sizes(path: Path) -> Iterator[tuple[str, str, int]]:
    """(budget, name, size) of a file, its functions and its classes."""
    here = f"cipa/{path.relative_to(PACKAGE).as_posix()}"
    text = path.read_text(encoding="utf-8")
    yield "lines of a file", here, text.count("\n")
    yield "letters of a line", here, max(map(len, text.splitlines()), default=0)
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body:
                yield "lines of a function's body", f"{here}: {node.name}", (body[-1].end_lineno or 0) - body[0].lineno + 1
        if isinstance(node, ast.ClassDef):
            fields = [one for one in node.body if isinstance(one, ast.AnnAssign) and getattr(one.target, "id", "_") != "_"]
            yield "fields of a class", f"{here}: {node.name}", len(fields)


def test_budgets_are_kept() -> None:
    over = {name: size for path in FILES for budget, name, size in sizes(path) if size > BUDGETS[budget]}
    assert over == OVER_BUDGET
    folders = Counter(path.parent.relative_to(PACKAGE).as_posix() for path in FILES if path.name != "__init__.py")
    assert {folder: size for folder, size in folders.items() if size > BUDGETS["modules of a folder"]} == {}


@pytest.mark.parametrize(
    "package", sorted({path.parent for path in FILES}), ids=lambda path: path.relative_to(PACKAGE.parent).as_posix()
)
def test_the_rooms_of_a_folder_stand_in_an_order(package: Path) -> None:
    """Files and folders of a folder, each taken as a whole, import one another without a circle."""
    base = (*package.relative_to(PACKAGE).parts,)
    arrows: dict[str, set[str]] = {}
    for path in FILES:
        mine = tuple(name_of(path).split("."))
        if mine[: len(base)] != base or len(mine) == len(base) or path == PACKAGE / "__init__.py":
            continue
        for name in imports(path):
            theirs = tuple(name.split(".")[1:])
            if theirs[: len(base)] == base and len(theirs) > len(base) and theirs[len(base)] != mine[len(base)]:
                arrows.setdefault(mine[len(base)], set()).add(theirs[len(base)])
    TopologicalSorter(arrows).prepare()  # raises CycleError, which names the circle
