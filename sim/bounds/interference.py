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
from collections.abc import Sequence

from sim.bounds.isolated import Shape
from sim.bounds.speedup import ROUNDING_US, SAFETY
from sim.cluster import Cluster

SHARES = (0.25, 0.5, 0.75)
"""Values of a that are tried, as shares of the most interference."""


def pooled_works(
    shapes: Sequence[Shape], boundness: Sequence[Sequence[float]], cluster: Cluster
) -> list[int]:
    """Work of each query for a machine as fast as ``num_executors`` executors, µs, rounded down.

    Args:
        shapes: by query.
        boundness: memory-boundness of its operators, 0 where a profile gives their times.
        cluster: where they run.
    """
    best = [sum(shape.work_us) for shape in shapes]
    if cluster.interference == 0 or cluster.executors_per_node == 1:
        return best
    values = {value for each in boundness for value in each}
    for share in SHARES:
        works = _counted(shapes, boundness, share * cluster.interference, values, cluster)
        if sum(works) > sum(best):
            best = works
    return best


def _counted(
    shapes: Sequence[Shape],
    boundness: Sequence[Sequence[float]],
    weight: float,
    values: set[float],
    cluster: Cluster,
) -> list[int]:
    ends = (min(values), max(values))
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
                scale
                * sum(
                    work * (1.0 + weight * m) - less * count
                    for work, count, m in zip(
                        shape.work_us, shape.num_work_orders, each, strict=True
                    )
                )
            ),
        )
        for shape, each in zip(shapes, boundness, strict=True)
    ]
