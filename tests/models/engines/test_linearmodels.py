"""Two engines, one model: the native panel core against linearmodels, and what linearmodels refuses."""

from __future__ import annotations

import pytest

import cipa as ci
from cipa.models.engines import linearmodels
from cipa.models.kinds import fit_with

AGREE = 1e-9  # relative; linearmodels demeans by another algorithm
CLUSTER = ci.clustered("firm", convention="none")
MODELS = [
    pytest.param({"method": "pooled"}, id="pooled"),
    pytest.param({"method": "within"}, id="within"),
    pytest.param({"method": "within", "effects": ("entity", "time")}, id="twoway"),
    pytest.param({"method": "random"}, id="random"),
    pytest.param({"method": "random", "random_method": "swar_stata"}, id="random-stata"),
    pytest.param({"method": "between"}, id="between"),
]


# linearmodels takes no clusters for the means of a between model
PAIRS = [
    (model.values[0], vcov) for model in MODELS for vcov in ("iid", "hc0", CLUSTER) if (model.id, vcov) != ("between", CLUSTER)
]


@pytest.mark.parametrize(("options", "vcov"), PAIRS, ids=str)
def test_engines_agree(options: dict[str, object], vcov: object) -> None:
    model = ci.Panel("inv ~ value*capital", entity="firm", time="year", vcov=vcov, **options)
    data = ci.datasets.load("grunfeld")
    native, other = model.fit(data), fit_with(model, data, kind="panel", engine="linearmodels", where="test")
    assert other.engine == "linearmodels"
    assert other.nobs == native.nobs
    for mine, theirs in zip(native.estimates, other.estimates, strict=True):
        assert mine.term == theirs.term
        assert theirs.estimate == pytest.approx(mine.estimate, rel=AGREE)
        assert theirs.std_error == pytest.approx(mine.std_error, rel=1e-7)


def test_first_differences_agree() -> None:
    model = ci.Panel("inv ~ value + capital - 1", method="first_difference", entity="firm", time="year")
    data = ci.datasets.load("grunfeld")
    assert linearmodels.fit(model, data).params == pytest.approx(model.fit(data).params, rel=AGREE)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"vcov": ci.clustered("firm")}, "small-sample factor"),
        ({"vcov": "hc3"}, "is not available there"),
        ({"method": "mundlak"}, "mundlak"),
        ({"method": "first_difference"}, "intercept in first differences"),
    ],
)
def test_refuses_what_it_cannot_do(options: dict[str, object], said: str) -> None:
    model = ci.Panel("inv ~ value", entity="firm", time="year", **options)
    with pytest.raises(ci.SpecificationError, match=said):
        linearmodels.fit(model, ci.datasets.load("grunfeld"))
