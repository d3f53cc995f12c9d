"""How much faster a query runs with n executors than with one, at most (Gunther's law)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

from sim.cluster import Cluster

ROUNDING_US = 0.5
"""By so much rounding may make a work order shorter than its time."""
SAFETY = 1.0 - 1e-9
"""What follows from sums of floating-point numbers is lowered by this factor."""


class Speedup(NamedTuple):
    """The most work that a query gets done per unit of time, by the executors that it holds.

    A work order's duration is fixed at its start: base time × f(n) or more, where n executors then
    worked for the query and f(n) = 1 + σ(n − 1) + κ n(n − 1) (R9). Of n executors at work at a
    moment, order them by when they began what they run: the k-th began while at least k worked. So
    they get at most s(n) = Σ_{k ≤ n} 1 ÷ f(k) done per unit of time, and s is concave.

    On its node the k-th also suffers the interference of those that began before it. Of N nodes
    each has one first, one second, … executor of the query, so the sum is largest where the first N
    are the first ones of their nodes, and so on.

    Source: Gunther, "Guerrilla Capacity Planning" (2007), chapter 4, for f.

    Attributes:
        rates: 1 ÷ f(k) for k = 1, …, num_executors; they do not increase.
        total: s(num_executors).
        is_linear: whether all rates are 1.
    """

    rates: tuple[float, ...]
    total: float
    is_linear: bool

    def least_us(self, work_us: int, num_work_orders: int) -> int:
        """Least time of all executors together for so much base work, rounded up to whole µs.

        f = 1 is always valid. Otherwise each work order counts half a microsecond less than its
        base time b: rounded, it takes at least f·b − ½ ≥ f·(b − ½).
        """
        linear = -(-work_us // len(self.rates))
        if self.is_linear:
            return linear
        credit_us = work_us - ROUNDING_US * num_work_orders
        return max(linear, math.ceil(credit_us / self.total * SAFETY))


@lru_cache(maxsize=1024)
def speedup_of(
    contention: float,
    coherency: float,
    num_executors: int,
    interference: float = 0.0,
    num_nodes: int = 1,
) -> Speedup:
    """The speedup of work orders of one kind.

    Args:
        contention: σ.
        coherency: κ.
        num_executors: on how many executors, of all nodes.
        interference: slowdown by each other executor at work on the node.
        num_nodes: how many nodes there are.
    """
    others = range(num_executors)
    rates = tuple(
        1.0
        / (1.0 + contention * n + coherency * n * (n + 1))
        / (1.0 + interference * (n // num_nodes))
        for n in others
    )
    return Speedup(rates, sum(rates), contention == coherency == interference == 0)


@lru_cache(maxsize=1024)
def speedups_of(
    contention: tuple[float, ...],
    memory_boundness: tuple[float, ...],
    has_waves: tuple[bool, ...],
    cluster: Cluster,
) -> tuple[tuple[Speedup, ...], Speedup]:
    """The speedup of each operator of a plan, and of all of them together: no worse than any.

    Recorded profiles hold their overheads already, so their operators speed up linearly.
    """

    def speedup(sigma: float, kappa: float, boundness: float) -> Speedup:
        each_other = cluster.interference * boundness / cluster.executors_per_node
        return speedup_of(sigma, kappa, cluster.num_executors, each_other, cluster.num_nodes)

    kinds = [
        (0.0, 0.0, 0.0) if waves else (sigma, cluster.coherency, boundness)
        for sigma, boundness, waves in zip(contention, memory_boundness, has_waves, strict=True)
    ]
    least_sigma, least_kappa, least_boundness = map(min, zip(*kinds, strict=True))
    together = speedup(least_sigma, least_kappa, least_boundness)
    return tuple(speedup(*kind) for kind in kinds), together
