"""Interference of queries as more work for the pooled machine (R9).

A work order of memory-boundness m takes base × (1 + c·m) or more, with c = γ × other executors at
work on its node ÷ executors of the node. Of those at work, order them by when they began what they
run: the k-th began beside at least k − 1 others, so its c is at least c_k = γ (k − 1) ÷ executors.
Count base × (1 + a·m) as work, for some a: then the k-th gets at most

    ρ_k = max over m of (1 + a·m) ÷ (1 + c_k·m)

of it done per unit of time, which is largest at the least or the largest m, and a node at most
Σ_k ρ_k. So a machine of that speed with work counted like this does no worse than the cluster, for
every set of queries. Any a gives a valid bound; a few are tried.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import NamedTuple

from sim.bounds.isolated import Shape
from sim.bounds.speedup import ROUNDING_US, SAFETY
from sim.cluster import Cluster
from sim.workload import CompiledPlan

SHARES = (0.25, 0.5, 0.75)
"""Values of a that are tried, as shares of the most interference."""


class Work(NamedTuple):
    """The work of a query, µs.

    Attributes:
        work_us: of all its operators.
        bound_us: the sum over operators of work × memory-boundness.
        num_work_orders: how many they are.
        least, most: the least and the largest memory-boundness of its operators.
    """

    work_us: int
    bound_us: float
    num_work_orders: int
    least: float
    most: float


def work_of(shape: Shape, compiled: CompiledPlan) -> Work:
    """The work of a query; where a profile gives times, interference adds nothing to them."""
    boundness = [
        0.0 if has_waves else value
        for value, has_waves in zip(compiled.memory_boundness, compiled.has_waves, strict=True)
    ]
    return Work(
        sum(shape.work_us),
        sum(map(operator.mul, shape.work_us, boundness)),
        sum(shape.num_work_orders),
        min(boundness),
        max(boundness),
    )


def pooled_works(works: Sequence[Work], cluster: Cluster) -> list[int]:
    """Work of each query for a machine as fast as ``num_executors`` executors, µs, rounded down."""
    best = [work.work_us for work in works]
    if cluster.interference == 0 or cluster.executors_per_node == 1:
        return best
    for share in SHARES:
        counted = _counted(works, share * cluster.interference, cluster)
        if sum(counted) > sum(best):
            best = counted
    return best


def _counted(works: Sequence[Work], weight: float, cluster: Cluster) -> list[int]:
    ends = (min(work.least for work in works), max(work.most for work in works))
    step = cluster.interference / cluster.executors_per_node
    speed = sum(
        max((1.0 + weight * m) / (1.0 + step * others * m) for m in ends)
        for others in range(cluster.executors_per_node)
    )
    scale = cluster.executors_per_node / speed * SAFETY
    # Rounding may make a task shorter, by at most half a microsecond × the fastest rate.
    less = ROUNDING_US * (1.0 + weight)
    return [
        max(
            0,
            math.floor(
                scale * (work.work_us + weight * work.bound_us - less * work.num_work_orders)
            ),
        )
        for work in works
    ]
