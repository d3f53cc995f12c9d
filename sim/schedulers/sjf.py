"""Shortest job first."""

from __future__ import annotations

from collections.abc import Sequence

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import (
    Listing,
    MemoryRule,
    PipelineRule,
    check_choice,
    total_us,
)
from sim.view import ClusterView, OperatorView, QueryView, Size


def shortest_first(queries: Sequence[QueryView], size: Size) -> list[QueryView]:
    """Started queries, then the others, each by predicted total work, then by arrival."""
    return sorted(queries, key=lambda query: (not query.is_started, total_us(query, size)))


@register("sjf")
class ShortestJobFirst:
    """The query with least predicted total work first, with all the executors it can use.

    Non-preemptive: a query that has started goes before all that have not.

    Args:
        size: where the work comes from.
        memory, pipeline: see ``Listing``.
    """

    def __init__(
        self,
        *,
        size: Size = "estimate",
        memory: MemoryRule = "ignore",
        pipeline: PipelineRule = "always",
    ) -> None:
        check_choice("size", size, Size)
        self._size = size
        self._listing = Listing(memory, pipeline)

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        queries = self._listing.admitted(view, shortest_first(view.queries, self._size))
        limits = [(query, view.num_executors) for query in queries]
        return self._listing.allocations(view, limits, self._rank)

    def _rank(self, query: QueryView) -> Sequence[OperatorView]:
        """The operators of a query that may run, most urgent first."""
        return self._listing.ranked(query)
