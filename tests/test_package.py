"""The package as a whole: what importing it costs, that every public name is there and documented, that codes are explained."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cipa as ci
from cipa import errors
from cipa.explain import EXPLANATIONS

HEAVY = ("seaborn", "statsmodels", "semopy", "linearmodels", "typst", "matplotlib", "pandas")
PACKAGE = Path(ci.__file__).parent


def fresh(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("code", ["import cipa", "from cipa.cli import main; main(['--help'])"])
def test_importing_is_light(code: str) -> None:
    found = fresh(f"import sys; {code}; print([name for name in {HEAVY} if name in sys.modules])")
    assert found.strip().endswith("[]")


def test_importing_is_fast() -> None:
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        fresh("import cipa")
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.5


def test_every_public_name_exists_and_is_documented() -> None:
    for name in ci.__all__:
        found = getattr(ci, name)
        assert name.startswith("__") or (found.__doc__ or "").strip(), name
    assert set(ci.__all__) <= set(dir(ci))


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Panle'"):
        ci.Panle  # noqa: B018


def test_every_code_is_explained() -> None:
    families = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.CipaError)]
    codes = {one.code for one in families}
    for path in PACKAGE.rglob("*.py"):
        codes |= set(re.findall(r'Notice\(\s*code="(\w+)"', path.read_text(encoding="utf-8")))
    assert codes == set(EXPLANATIONS)


def test_an_unknown_keyword_is_refused_with_the_nearest() -> None:
    with pytest.raises(ci.SpecificationError, match=r"no keyword .estimater.\..*Did you mean .estimator."):
        ci.SEM("f =~ x1 + x2 + x3", estimater="ml")
    with pytest.raises(TypeError):
        ci.Panel("y ~ x", metod="within")


def test_errors_belong_to_the_families_of_python_too() -> None:
    assert issubclass(ci.SpecificationError, ValueError)
    assert issubclass(ci.ConvergenceError, RuntimeError)
    assert issubclass(errors.MissingPartError, ImportError)


def test_the_links_of_the_readme_lead_somewhere() -> None:
    root = PACKAGE.parent
    if not (root / "README.md").is_file():
        root = Path(__file__).parent.parent
    links = re.findall(r"\]\(([^)#:]+)\)", (root / "README.md").read_text(encoding="utf-8"))
    assert len(links) > 10
    assert not [link for link in links if not (root / link).exists()]
