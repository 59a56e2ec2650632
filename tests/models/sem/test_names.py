"""Names that could mean two things are refused, as lavaan does."""

from __future__ import annotations

import pytest

import cipa as ci


@pytest.mark.parametrize("syntax", ["f =~ a*b*x1 + x2 + x3", "f =~ x1 + a*a*x2 + x3", "f =~ x1 + c(a, b)*label('d')*x2 + x3"])
def test_a_parameter_has_one_label(syntax: str) -> None:
    with pytest.raises(ci.SpecificationError, match=r"(?s)line 1:.*\^.*has two labels here, 'a' and '[abd]'.*Write one of them"):
        ci.SEM(syntax)


@pytest.mark.parametrize(
    "syntax", ["f =~ NA*a*x1 + x2 + 1*x3", "f =~ x1 + start(.5)*a*x2 + x3", "f =~ x1 + a*x2 + start(.5)*x2 + x3"]
)
def test_a_label_beside_another_modifier_stays(syntax: str) -> None:
    """lavaan 0.6-14 reads these."""
    fit = ci.SEM(syntax).fit(ci.datasets.load("holzinger1939"))
    assert [row.label for row in fit.estimates if row.label] == ["a"]


@pytest.mark.parametrize("syntax", ["x9 =~ x1 + x2 + x3", "f =~ x1 + x2 + x3\nx7 <~ x4 + x5\nx8 ~ x7"])
def test_a_construct_has_a_name_that_no_column_has(syntax: str) -> None:
    data = ci.datasets.load("holzinger1939")
    for given in (data, data.to_frame()):
        with pytest.raises(
            ci.SpecificationError, match=r"(?s)line .*\^.*'x[79]' is measured here by .* has a column of that name"
        ):
            ci.SEM(syntax).fit(given)
    assert ci.SEM("x9 =~ x1 + x2 + x3").fit(data.to_frame().drop(columns="x9")).df_resid == 0
