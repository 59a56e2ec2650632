"""The generating process behind the shipped survey, network and panel: firms, ties and years with known truth.

Every coefficient stands in a table below, so that a test can compare an estimate with what made the data. Draws come
from one generator in a fixed order: the same seed gives the same data for any number of workers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cipa.data.dataset import Dataset
from cipa.data.simulation.firms import firms_of
from cipa.data.simulation.network import network_of
from cipa.data.simulation.panel import panel_of
from cipa.data.simulation.survey import survey_of
from cipa.errors import SpecificationError, whole_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A simulated world: what an analysis sees (survey, panel, network) and what only a test may see (truth)."""

    survey: Dataset
    truth: Dataset
    panel: Dataset
    nodes: Dataset
    edges: Dataset


def simulate(
    *, n: int = 900, clusters: int = 24, regions: int = 8, seed: int = 1, likert: bool = True, careless: float = 0.05,
    missing: bool = True, method_variance: float = 0.0, group_difference: bool = True, interactions: bool = True,
    noninvariance: bool = True,
) -> Simulated:  # fmt: skip
    """Simulate firms in clusters, a survey of two thirds of them, their ties and twelve years of accounts.

    Parameters
    ----------
    n, clusters, regions : int
        Firms, industry clusters, regions.
    seed : int
    likert : bool
        Answers 1 to 7; otherwise continuous.
    careless : float
        Share of respondents who answer without reading.
    missing : bool
        Whether answers are missing at random given ownership and size.
    method_variance : float
        Variance of a method factor common to all items (in units of an item's true and error variance, which is 1).
    group_difference : bool
        Whether FIRM matters less for auxiliary firms.
    interactions : bool
        Whether Internet+ moderates.
    noninvariance : bool
        Whether core firms answer inet6 higher at equal INET.

    Returns
    -------
    Simulated
        With Datasets survey, truth, panel, nodes, edges.
    """
    if n < 2 * clusters or clusters < regions or regions < 1:
        raise SpecificationError(
            f"simulate: n={n}, clusters={clusters}, regions={regions}. Every region has a cluster and every cluster two firms, "
            "or nothing would vary in it: give at least as many clusters as regions, and n of at least twice the clusters."
        )
    if not 0 <= careless < 1 or method_variance < 0:
        raise SpecificationError(
            f"simulate: careless={careless}, method_variance={method_variance}. The one is a share of the answers and the other "
            "a variance: give careless= from 0 to below 1, and method_variance= of 0 or more."
        )
    rng = np.random.default_rng(whole_seed(seed, where="simulate"))
    firms = firms_of(rng, n=n, clusters=clusters, regions=regions, group_difference=group_difference, interactions=interactions)
    survey, truth = survey_of(
        rng,
        firms,
        likert=likert,
        careless=careless,
        missing=missing,
        method_variance=method_variance,
        noninvariance=noninvariance,
    )
    partners, nodes, edges = network_of(rng, firms)
    return Simulated(survey=survey, truth=truth, panel=panel_of(rng, firms, partners), nodes=nodes, edges=edges)
