"""How to reproduce: data digests, versions, seed, and every number at full precision."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cipa.evidence.findings import Analysis, Verdict
from cipa.language.speech import Language
from cipa.report.document import Block, Listing, Paragraph, Table, body, columns
from cipa.report.view import View
from cipa.results.display import ResultTable
from cipa.results.estimates import Estimate
from cipa.results.fit import Fit, Notice, versions_of


def versions(analysis: Analysis) -> dict[str, str]:
    """Versions of everything that computed a number of the analysis."""
    engines = {package for fit in analysis.fits.values() for package in fit.engine_packages}
    return versions_of("jinja2", "typst", *sorted(engines))


def _blocks(analysis: Analysis, _: str, say: Language) -> list[Block]:
    """The last part of a report."""
    heads = columns((say("versions.what"), "text"), (say("value"), "text"))
    rows = [body(say("versions.of", package=name), version) for name, version in versions(analysis).items()]
    rows += [body(say("versions.seed"), str(analysis.seed))]
    rows += [body(say("versions.data", source=name), data.digest[:32]) for name, data in analysis.datasets.items()]
    table = Table(
        key="versions", title=say("versions"), columns=heads, rows=tuple(rows),
        notes=(say("versions.note"),),
    )  # fmt: skip
    return [
        Paragraph(text=say("reproduce.how")),
        table,
        Listing(text=analysis.study.to_toml()),
    ]


REPRODUCE = View(blocks=_blocks)


def results_json(analysis: Analysis) -> str:
    """Every number of an analysis as JSON, shortest decimals that read back exactly; what is not a number is null."""
    found = {
        "cipa": 1,
        "title": analysis.study.title,
        "seed": analysis.seed,
        "versions": versions(analysis),
        "data": {
            name: {"name": data.name, "rows": data.nobs, "sha256": data.digest, "log": [asdict(step) for step in data.log]}
            for name, data in analysis.datasets.items()
        },
        "verdicts": [_verdict(verdict) for verdict in analysis.verdicts],
        "models": {name: _fit(fit) for name, fit in analysis.fits.items()},
        "failures": dict(analysis.failures),
        "tables": [{**asdict(key), **_table(table)} for key, table in analysis.tables.items()],
        "refusals": [{**asdict(key), "reason": reason} for key, reason in analysis.refusals.items()],
    }
    return json.dumps(_plain(found), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _verdict(verdict: Verdict) -> dict[str, Any]:
    hypothesis = verdict.hypothesis
    return {
        "hypothesis": hypothesis.name, "claim": str(hypothesis), "label": hypothesis.label, "model": verdict.model,
        "verdict": verdict.verdict, "reason": verdict.reason, "power": verdict.power,
        "estimate": None if verdict.estimate is None else _estimate(verdict.estimate),
    }  # fmt: skip


def _estimate(row: Estimate) -> dict[str, Any]:
    names = ("label", "status", "estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high", "standardized")
    term = {name: getattr(row.term, name) for name in ("lhs", "op", "rhs", "group", "level")}
    return {"term": str(row.term), **term, **{name: getattr(row, name) for name in names}}


def _fit(fit: Fit) -> dict[str, Any]:
    return {
        "title": fit.title, "kind": fit.kind, "engine": fit.engine, "nobs": fit.nobs, "npar": fit.npar, "df_resid": fit.df_resid,
        "loglik": fit.loglik, "std_errors": {"kind": str(fit.vcov_type), "convention": fit.vcov_type.convention,
        "note": fit.vcov_type.note},
        "convergence": asdict(fit.convergence), "statistics": [asdict(row) for row in fit.statistics.values()],
        "estimates": [_estimate(row) for row in fit.estimates], "terms": [str(term) for term in fit.terms],
        "vcov": fit.vcov.tolist(),
        "notices": [_notice(notice) for notice in fit.notices],
    }  # fmt: skip


def _notice(notice: Notice) -> dict[str, str]:
    return {"code": notice.code, "text": notice.text, "severity": notice.severity}


def _table(table: ResultTable) -> dict[str, Any]:
    return {
        "title": table.title,
        "columns": {name: list(values) for name, values in table.columns.items()},
        "notes": list(table.notes),
    }


def _plain(value: Any) -> Any:
    """JSON values only: numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
