"""Round robin: queries take turns at going first."""

from __future__ import annotations

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import Listing, MemoryRule, PipelineRule
from sim.view import ClusterView


@register("round-robin")
class RoundRobin:
    """The first query of one scheduling event goes last at the next, until all have had a turn.

    The query whose turn it is takes all the executors it can use, the next one what is left, and
    so on, in order of arrival.

    Args:
        memory, pipeline: see ``Listing``.
    """

    def __init__(self, *, memory: MemoryRule = "ignore", pipeline: PipelineRule = "always") -> None:
        self._listing = Listing(memory, pipeline)
        self._view: ClusterView | None = None
        self._last: tuple[int, int] = (-1, -1)

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        if view is not self._view:
            self._view, self._last = view, (-1, -1)
        queries = view.queries
        turns = [(query.arrival_us, query.query_id) for query in queries]
        later = [query for query, turn in zip(queries, turns, strict=True) if turn > self._last]
        order = later + queries[: len(queries) - len(later)]
        self._last = (order[0].arrival_us, order[0].query_id)
        admitted = self._listing.admitted(view, order)
        return self._listing.allocations(view, [(query, view.num_executors) for query in admitted])
