"""A linear panel fit with another covariance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cipa.data.again import cluster_codes, source_of
from cipa.models.panel.linear.covariance import KINDS
from cipa.models.panel.linear.fit import PanelFit, assemble
from cipa.models.panel.linear.transform import clusters_of_rows
from cipa.results.covariance import as_vcov


def with_vcov(fit: PanelFit, kind: Any, data: Any) -> PanelFit:
    """The same estimates with another covariance (see `ci.vcov`)."""
    wanted = as_vcov(kind, kinds=KINDS, where="ci.vcov")
    design, transformed = fit.design, fit.transformed
    source = source_of(design.data, data, wanted.clusters)
    codes = {
        name: design.clusters[name] if name in design.clusters else cluster_codes(source, design.data, design.rows, name)
        for name in wanted.clusters
    }
    clusters = clusters_of_rows(codes, source=transformed.source, averaged=transformed.averaged)
    return assemble(
        replace(fit.model, vcov=wanted), replace(design, clusters=codes),
        replace(transformed, rows=replace(transformed.rows, clusters=clusters)), fit.solution, answers=fit.answers,
    )  # fmt: skip
