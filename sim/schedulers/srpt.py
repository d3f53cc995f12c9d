"""Shortest remaining processing time."""

from __future__ import annotations

from dataclasses import asdict

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
    fair_limit,
    part_of,
)
from sim.schedulers.compiled_rule import CompiledRule
from sim.view import ClusterView, QueryView, Size


class QueryLimit:
    """The limit per query: a fixed fraction of the executors, an adaptive share, or all of them.

    Args:
        cap: round(cap × executors), at least 1.
        share: ⌈share × executors ÷ queries⌉: follows the load, where a cap that is right at low
            load is wrong at high load.
    """

    def __init__(self, cap: float | None, share: float | None) -> None:
        if cap is not None and share is not None:
            raise ValueError(f"cap is {cap!r} and share is {share!r}, expected one of them at most")
        if cap is not None:
            check_number("cap", cap, 0.0, 1.0)
        if share is not None:
            check_number("share", share, 0.0, 1e6)
        self.cap, self.share = cap, share

    def of(self, view: ClusterView, num_queries: int) -> int:
        """The limit while there are so many queries."""
        if self.cap is not None:
            return part_of(view.num_executors, self.cap)
        if self.share is not None:
            return fair_limit(view.num_executors, num_queries, self.share)
        return view.num_executors


@register("srpt")
class ShortestRemaining:
    """The query with least remaining work first, preemptive at work orders.

    Source: optimal for the mean on one server (Schrage, Operations Research 16(3), 1968).

    Args:
        size: where the work comes from.
        cap, share: the limit per query, see ``QueryLimit``; default all executors.
        spare: with a limit, whether executors left over go to queries that can use more, least
            remaining work first.
        memory, pipeline, operators: see ``Listing``.
    """

    def __init__(
        self,
        *,
        size: Size = "estimate",
        cap: float | None = None,
        share: float | None = None,
        spare: Spare = "share",
        memory: MemoryRule = "ignore",
        pipeline: PipelineRule = "always",
        operators: OperatorRule = "plan",
    ) -> None:
        check_choice("size", size, Size)
        self._size = size
        self._limit = QueryLimit(cap, share)
        self._listing = Listing(memory, pipeline, spare, operators, size)

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        queries = self._listing.admitted(view, sorted(view.queries, key=self._remaining_us))
        limit = self._limit.of(view, len(queries))
        return self._listing.allocations(view, [(query, limit) for query in queries])

    def compiled_rule(self) -> CompiledRule:
        """The same rule in the compiled engine."""
        limit = self._limit
        return CompiledRule("srpt", **asdict(self._listing), cap=limit.cap, share=limit.share)

    def _remaining_us(self, query: QueryView) -> float:
        return query.remaining_us(self._size)
