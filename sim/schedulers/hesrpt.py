"""heSRPT: shares that favour short queries as much as a concave speed-up allows."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import (
    Listing,
    MemoryRule,
    OperatorRule,
    PipelineRule,
    Spare,
    check_choice,
    check_number,
    rounded_shares,
)
from sim.schedulers.compiled_rule import CompiledRule
from sim.view import ClusterView, Size


def hesrpt_shares(num_queries: int, p: float) -> list[float]:
    """Shares of the executors for queries in descending order of remaining work; they sum to 1.

    θ_i = (i/n)^(1/(1−p)) − ((i−1)/n)^(1/(1−p)) for i = 1, …, n.
    """
    power = 1.0 / (1.0 - p)
    bounds = [(i / num_queries) ** power for i in range(num_queries + 1)]
    return [high - low for low, high in pairwise(bounds)]


@register("hesrpt")
class HeSrpt:
    """The optimal shares for queries that all speed up as k^p with k executors.

    Queries with least remaining work first; shares are rounded so that they sum to the executors.
    p towards 0 gives fair shares, towards 1 everything to the shortest.

    Source: Berg, Vesilo, Harchol-Balter, "heSRPT: Parallel scheduling to minimize mean slowdown",
    Performance 2020; these are the shares of its special case, mean flow time. They are optimal
    when all queries are there from the start; here they are computed again at each scheduling
    event.

    Args:
        p: exponent of the speed-up.
        size: where the work comes from.
        spare: whether executors left over go to queries that can use more.
        memory, pipeline, operators: see ``Listing``.
    """

    def __init__(
        self,
        *,
        p: float = 0.5,
        size: Size = "estimate",
        spare: Spare = "share",
        memory: MemoryRule = "ignore",
        pipeline: PipelineRule = "always",
        operators: OperatorRule = "plan",
    ) -> None:
        check_number("p", p, 0.0, 0.999)
        check_choice("size", size, Size)
        self._p = p
        self._size = size
        self._listing = Listing(memory, pipeline, spare, operators, size)

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        order = sorted(view.queries, key=lambda query: query.remaining_us(self._size))
        queries = self._listing.admitted(view, order)
        shares = hesrpt_shares(len(queries), self._p)[::-1]
        limits = rounded_shares(shares, view.num_executors)
        return self._listing.allocations(view, list(zip(queries, limits, strict=True)))

    def compiled_rule(self) -> CompiledRule:
        """The same rule in the compiled engine."""
        return CompiledRule("hesrpt", **asdict(self._listing), p=self._p)
