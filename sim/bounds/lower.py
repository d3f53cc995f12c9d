"""All bounds of one trace on one seed, and the best of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sim.bounds.demand import demands_of, makespan_bound_us
from sim.bounds.pooled import pooled_latencies
from sim.bounds.subset import best_subset
from sim.cluster import Cluster
from traces import Trace
from traces.units import US_PER_S

Method = Literal["fast", "lp"]
METHODS: tuple[Method, ...] = get_args(Method)
"""``fast``: B1 to B3 and B5, seconds for 10,000 queries. ``lp``: B4 as well, seconds for each 200
queries."""
BOUNDS = {"isolated": "B1", "pooled": "B2", "subset": "B3", "lp": "B4"}
"""Bounds on the mean latency, and what docs/design.md calls them. B3 is no less than B1 and B2,
and B4 no less than B3."""


@dataclass(frozen=True, slots=True)
class LowerBounds:
    """What no schedule goes below.

    Attributes:
        mean_latency_s: bound on the mean latency, the best of ``means_s``.
        best: which of ``BOUNDS`` that is, the simplest where several are equal.
        means_s: by bound, what it says of the mean latency.
        latencies_s: each query's isolated bound (B1), in increasing order: the k-th lowest latency
            is at least the k-th of these, so every percentile is at least theirs.
        makespan_s: bound on the makespan (B5).
        method: how it was computed.
    """

    mean_latency_s: float
    best: str
    means_s: Mapping[str, float]
    latencies_s: tuple[float, ...]
    makespan_s: float
    method: Method

    def percentile_s(self, percentile: float) -> float:
        """Bound on a percentile of the latency."""
        return float(np.percentile(self.latencies_s, percentile))


def lower_bounds(
    trace: Trace, cluster: Cluster, seed: int = 0, method: Method = "fast"
) -> LowerBounds:
    """Bounds on latencies and makespan of every schedule of a trace on a cluster.

    They take each work order at its smallest time over contexts, and no delays.

    Args:
        trace: the queries.
        cluster: where they run; its ``num_executors`` is the most there ever are.
        seed: for the luck of work orders, as in ``simulate``.
        method: ``fast``, or ``lp`` for a tighter bound on the mean.

    Raises:
        ValueError: there is no such method.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}, expected {' or '.join(METHODS)}")
    num_executors = cluster.num_executors
    demands = demands_of(trace, cluster, seed, keep_shapes=method == "lp")
    jobs = [(demand.arrival_us, demand.work_us) for demand in demands]
    # Latencies are whole microseconds, so bounds on their sum may be rounded up.
    totals_us = {
        "isolated": sum(demand.isolated_us for demand in demands),
        "pooled": -(-sum(pooled_latencies(jobs, num_executors)) // num_executors),
        "subset": -(-best_subset(demands, num_executors).total // num_executors),
    }
    if method == "lp":
        from sim.bounds.lp import lp_total_us

        totals_us["lp"] = max(math.ceil(lp_total_us(demands, num_executors)), totals_us["subset"])
    best = max(totals_us, key=totals_us.__getitem__)
    means_s = {name: total / len(demands) / US_PER_S for name, total in totals_us.items()}
    return LowerBounds(
        mean_latency_s=means_s[best],
        best=best,
        means_s=means_s,
        latencies_s=tuple(sorted(demand.isolated_us / US_PER_S for demand in demands)),
        makespan_s=makespan_bound_us(demands, num_executors) / US_PER_S,
        method=method,
    )
