"""Notices as values, and the words of those that few data sets call for."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import cipa as ci
from cipa.language.en import EN
from cipa.language.speech import Language
from cipa.results.fit import Notice


def test_a_notice_is_a_value() -> None:
    notice = Notice(code="gaps", values={"places": np.int64(3)})
    assert notice == Notice(code="gaps", values={"places": 3}) == pickle.loads(pickle.dumps(notice))
    assert len({notice, Notice(code="gaps", values={"places": 3}), Notice(code="gaps", values={"places": 4})}) == 2
    assert type(notice.values["places"]) is int
    with pytest.raises(TypeError, match="cannot be changed"):
        notice.values["places"] = 4  # type: ignore[index]
    listed = Notice(code="undetermined", values={"parameters": ["y ~ x"]})
    assert listed.values == {"parameters": ("y ~ x",)}
    assert repr(notice).startswith("Notice(code='gaps', text='In 3 places the next row")


def test_a_notice_speaks_the_language_that_is_asked_for() -> None:
    german = Language(name="de", templates={"notice.gaps": "Lücken: {places}"}, ways={})
    notice = Notice(code="gaps", values={"places": 3})
    assert notice.words(german) == "Lücken: 3"
    assert notice.text == notice.words(EN)


def test_names_in_a_notice_are_not_read_as_templates() -> None:
    notice = Notice(code="reversed_item", values={"item": "{x.__class__}", "construct": "{}"}, severity="warning")
    assert notice.text.startswith("'{x.__class__}' loads on {} with another sign than most of its items")


@pytest.mark.parametrize(
    ("notice", "text"),
    [
        (
            Notice(code="polychoric", values={"group": "north"}),
            "The matrix of polychoric correlations of group north is not positive definite, or a correlation is at its bound: some "
            "table of two items is nearly empty. Estimates and fit measures are uncertain: merge rare categories, or use more cases.",
        ),
        (
            Notice(
                code="latent_cov", values={"group": None, "level": "between", "smallest": -0.0123, "variables": ("f1", "f2")}
            ),
            "The covariance matrix of the latent variables is not positive definite at level between (smallest eigenvalue -0.012):"
            " some correlation among f1, f2 exceeds what is possible. Constructs that are not distinct cannot be separated: merge "
            "them, or look at their cross-loadings.",
        ),
        (
            Notice(code="implied_cov", values={"group": None}),
            "The implied covariance matrix of the observed variables is not positive definite, although that of each pattern of "
            "missing values is: the model fits a relation that no complete case can have. Too few cases have the variables "
            "together: drop the emptiest, or simplify the model.",
        ),
        (
            Notice(
                code="heywood",
                values={"variable": "x1", "residual": True, "group": "A", "level": "within", "estimate": -0.25, "error": None},
            ),
            "The residual variance of x1 in group A at level within is estimated at -0.25, from its loadings. Standard errors and fit indices"
            " of such a solution are not trustworthy. Look at its loading first; if its construct has two items only, fix the "
            "variance or add an item.",
        ),
        (
            Notice(
                code="weak_marker",
                values={"construct": "f", "group": "north", "level": None, "item": "x1", "loading": 0.031, "other": "x2",
                        "estimate": 21.24, "error": 19.7},
            ),
            "The marker of f in group north, x1, hardly loads on it (standardized 0.031), and all of the construct's estimates are "
            "counted in its unit: the loading of x2 is 21.2 (SE 20). Their errors and tests tell of x1, not of them. Set the scale "
            "otherwise: f =~ NA*x1 + 1*x2 + ..., or std_lv=True.",
        ),
        (
            Notice(code="product_column", values={"names": ("x:z", "x:w")}),
            "2 products x:z, x:w of observed variables were computed case by case, not centred: the effect of each factor alone is "
            "that where the other is 0. Centre the variables first, or read ci.simple_slopes.",
        ),
        (
            Notice(code="undetermined", values={"parameters": tuple("abcdef")}),
            "The information about a, b, c, d and 2 more is zero at the estimates (for example of a path whose square alone counts, "
            "estimated at 0). Standard errors and z-tests of these do not exist, whatever the table prints. Fix them there and "
            "compare the fits (ci.lr_test), or write the model in what counts (the square, a variance).",
        ),
        (
            Notice(
                code="rows_dropped", variant="panel",
                values={"lost": 3, "total": 10, "data": "firms", "holes": (("", 2), ("value", 1))},
            ),
            "3 of 10 rows of firms are not used, because a variable is missing (missing values: the outcome 2, value 1). The "
            "estimates describe the 7 rows that remain.",
        ),
        (
            Notice(code="rows_dropped", variant="panel", values={"lost": 3, "total": 10, "data": "firms", "holes": ()}),
            "3 of 10 rows of firms are not used, because a variable is missing. The estimates describe the 7 rows that remain.",
        ),
        (
            Notice(code="between_cov", variant="bound", values={"group": None}),
            "The unrestricted covariance matrix between clusters was held at the bound of what is possible: some variable hardly "
            "varies between clusters, or clusters are few. The chi-square compares with this matrix, and is approximate. Consider "
            "that variable at the within level only.",
        ),
        (
            Notice(code="rows_dropped", variant="moments", values={"lost": 2, "total": 301, "group": "Pasteur"}),
            "2 of 301 cases of group Pasteur were dropped: a missing value.",
        ),
    ],
    ids=lambda value: f"{value.code}.{value.variant}" if isinstance(value, Notice) else "",
)  # fmt: skip
def test_the_words_of_a_notice(notice: Notice, text: str) -> None:
    assert notice.text == text


def test_a_panel_counts_what_its_rows_lack() -> None:
    data = ci.datasets.load("grunfeld").to_frame()
    data.loc[[3, 9], "inv"] = np.nan
    data.loc[5, "value"] = np.nan
    fit = ci.Panel("inv ~ value + capital", entity="firm", time="year").fit(data)
    (notice,) = [notice for notice in fit.notices if notice.code == "rows_dropped"]
    assert notice.values["holes"] == (("", 2), ("value", 1))
    assert "(missing values: the outcome 2, value 1)" in notice.text
