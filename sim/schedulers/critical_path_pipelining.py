"""Critical path with pipelining: the heaviest pipeline first, always as long as it can be."""

from __future__ import annotations

import math

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import Listing, MemoryRule, check_choice
from sim.schedulers.sjf import shortest_first
from sim.view import ClusterView, OperatorView, QueryView, Size


@register("critical-path-pipelining")
class CriticalPathPipelining:
    """In a query the pipeline with most aggregate work first; queries as in ``sjf``.

    It takes the pipeline with most aggregate remaining work, and runs it as long as it can be.

    Source: the practice of Quickstep, as LSched describes it (Sabek et al., SIGMOD 2022).

    Args:
        size: where the work comes from.
        memory: see ``Listing``.
    """

    def __init__(self, *, size: Size = "estimate", memory: MemoryRule = "ignore") -> None:
        check_choice("size", size, Size)
        self._size = size
        self._listing = Listing(memory, pipeline="always")

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        queries = self._listing.admitted(view, shortest_first(view.queries, self._size))
        limits = [(query, view.num_executors) for query in queries]
        return self._listing.allocations(view, limits, self._heaviest_pipeline_first)

    def _heaviest_pipeline_first(self, query: QueryView) -> list[OperatorView]:
        return sorted(query.schedulable, key=lambda operator: -self._pipeline_us(operator))

    def _pipeline_us(self, operator: OperatorView) -> float:
        return math.fsum(member.remaining_us(self._size) for member in operator.pipeline)
