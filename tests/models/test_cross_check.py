"""ci.cross_check: what is compared, what is said, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cipa as ci
from cipa.models import cross_check as module
from cipa.report.document import Heading, Note, Table
from cipa.report.outline import outline

PD = "ind60 =~ x1 + x2 + x3\ndem60 =~ y1 + y2 + y3 + y4\ndem60 ~ ind60"
MOMENTS = ci.SampleMoments(cov=np.array([[1.0, 0.3, 0.2], [0.3, 1.0, 0.4], [0.2, 0.4, 2.0]]), names=["a", "b", "c"], nobs=50)


def democracy(**options: object) -> ci.Fit:
    return ci.SEM(PD, **options).fit(ci.datasets.load("political_democracy"))


def test_a_structural_equation_model_is_compared_with_semopy() -> None:
    fit = democracy()
    found = ci.cross_check(fit)
    table = found.to_frame()
    assert list(table) == ["term", "kind", "native", "other", "difference", "relative", "in_std_errors"]
    assert table["kind"].value_counts().to_dict() == {"estimate": 15, "std_error": 15, "statistic": 5}
    assert table["native"].iloc[:15].to_numpy() == pytest.approx(fit.params)
    assert found.agree
    assert found.largest_difference == table["relative"].max() < 1e-6
    for word in (
        "semopy 2",
        "75 cases",
        "15 free parameters",
        "chisq, baseline.chisq, cfi, tli, nfi",
        "Nothing else was compared",
    ):
        assert word in found.verdict
    assert "rmsea" not in found.verdict


def test_with_covariates_no_statistic_is_claimed() -> None:
    found = ci.cross_check(ci.SEM("y1 ~ x1 + x2").fit(ci.datasets.load("political_democracy")))
    assert set(found.to_frame()["kind"]) == {"estimate", "std_error"}
    assert "chisq" not in found.verdict


def test_covariance_input() -> None:
    assert ci.cross_check(ci.SEM("f =~ a + b + c").fit(MOMENTS)).agree


def test_a_panel_model_is_compared_with_linearmodels() -> None:
    fit = ci.Panel("inv ~ value + capital", effects=("entity", "time")).fit(ci.datasets.load("grunfeld"))
    found = ci.cross_check(fit)
    assert found.agree
    assert found.engine.startswith("linearmodels ")


def test_disagreement_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = democracy()
    honest = module.fit_with(fit.model, fit.data, kind="sem", engine="semopy", where="test")
    shifted = replace(honest, params=honest.params + 0.1 * np.eye(15)[3])
    monkeypatch.setattr(module, "fit_with", lambda *_, **__: shifted)
    found = ci.cross_check(fit)
    assert not found.agree
    assert f"do not agree: the estimate of {fit.terms[3]} differs by" in found.verdict


def test_refusals() -> None:
    with pytest.raises(ci.SpecificationError, match='estimator="mlr"'):
        ci.cross_check(democracy(estimator="mlr"))
    fit = democracy()
    other = module.fit_with(fit.model, fit.data, kind="sem", engine="semopy", where="test")
    with pytest.raises(ci.InferenceError, match="this fit was made by semopy"):
        ci.cross_check(other)
    with pytest.raises(ci.SpecificationError, match="Needed: a fit"):
        ci.cross_check(ci.SEM(PD))
    with pytest.raises(ci.InferenceError, match="no second program is known for pls models"):
        ci.cross_check(replace(fit, kind="pls"))


STUDY = f'''
[study]
title = "Two programs"
[sources]
survey = "political_democracy"
firms = "grunfeld"
[hypotheses]
H1 = "dem60 ~ ind60 > 0"
H2 = {{ claim = "y1 ~ x3 > 0", models = ["regression"] }}
[models.own]
kind = "sem"
source = "survey"
syntax = """{PD}"""
[models.robust]
kind = "sem"
source = "survey"
estimator = "mlr"
syntax = """{PD}"""
[models.regression]
kind = "sem"
source = "survey"
engine = "semopy"
syntax = "y1 ~ x1 + x3"
[models.within]
kind = "panel"
source = "firms"
formula = "inv ~ value + capital"
[report]
cross_check = WANTED
'''


def study(folder: Path, wanted: str) -> ci.Study:
    (folder / "study.toml").write_text(STUDY.replace("WANTED", wanted), encoding="utf-8")
    return ci.Study.from_toml(folder)


def test_a_study_prints_the_agreement(tmp_path: Path) -> None:
    analysis = ci.run(study(tmp_path, "true"))
    blocks = outline(analysis).blocks
    table = next(block for block in blocks if isinstance(block, Table) and block.key == "agreement")
    assert [row.cells[0] for row in table.rows] == ["own", "within"]
    assert Heading(text="Agreement of two programs") in blocks
    refused = [block.text for block in blocks if isinstance(block, Note) and "No cross-check was possible" in block.text]
    assert len(refused) == 1
    assert refused[0].startswith('robust: No cross-check was possible. engine semopy: estimator="mlr"')
    ci.publish(analysis, tmp_path / "out", formats=("html",))
    assert "Nothing else was compared" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_a_study_may_use_semopy_as_engine(tmp_path: Path) -> None:
    analysis = ci.run(study(tmp_path, '["regression"]'))
    fit = analysis.fits["regression"]
    assert fit.engine == "semopy"
    verdict = next(one for one in analysis.verdicts if one.hypothesis.name == "H2")
    assert (verdict.verdict, verdict.model) == ("inconclusive", "regression")
    assert "not held against" in verdict.reason  # semopy gives no standardized value
    blocks = outline(analysis).blocks
    table = next(block for block in blocks if isinstance(block, Table) and block.key == "estimates-regression")
    assert table.rows[0].cells[1] == fit.estimates[0].estimate
    assert "semopy" in dict(fit.provenance.versions)
    assert any(isinstance(block, Note) and "this fit was made by semopy" in block.text for block in blocks)


@pytest.mark.parametrize(
    ("wanted", "said"), [('"yes"', "expected true, false or a list"), ('["owns"]', "no model 'owns'.*'own'")]
)
def test_a_study_refuses_a_wrong_word(tmp_path: Path, wanted: str, said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        study(tmp_path, wanted)


def test_the_option_survives_a_round_trip(tmp_path: Path) -> None:
    first = study(tmp_path, '["own"]')
    (tmp_path / "study.toml").write_text(first.to_toml(), encoding="utf-8")
    assert ci.Study.from_toml(tmp_path) == first
