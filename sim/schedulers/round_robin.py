"""Round robin: queries take turns at going first."""

from __future__ import annotations

from collections.abc import Sequence

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import FreshRun, Listing, MemoryRule, PipelineRule
from sim.view import ClusterView, QueryView


@register("round-robin")
class RoundRobin:
    """The first query of one scheduling event goes last at the next, until all have had a turn.

    The query whose turn it is takes all the executors it can use, the next one what is left, and
    so on, in order of arrival; of those that arrive together, in the trace's order.

    Args:
        memory, pipeline: see ``Listing``.
    """

    def __init__(self, *, memory: MemoryRule = "ignore", pipeline: PipelineRule = "always") -> None:
        self._listing = Listing(memory, pipeline)
        self._run = FreshRun()
        self._places: dict[int, int] = {}  # of the queries in the system, in order of arrival
        self._next_place, self._last = 0, -1

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        if self._run.begins(view):
            self._places = {}
            self._next_place, self._last = 0, -1
        queries = view.queries
        self._note_places(queries)
        later = [query for query in queries if self._places[query.query_id] > self._last]
        order = later + queries[: len(queries) - len(later)]
        self._last = self._places[order[0].query_id]
        admitted = self._listing.admitted(view, order)
        return self._listing.allocations(view, [(query, view.num_executors) for query in admitted])

    def _note_places(self, queries: Sequence[QueryView]) -> None:
        old, self._places = self._places, {}
        for query in queries:
            place = old.get(query.query_id)
            if place is None:
                place = self._next_place
                self._next_place += 1
            self._places[query.query_id] = place
