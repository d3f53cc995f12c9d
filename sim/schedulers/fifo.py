"""First in, first out."""

from __future__ import annotations

from sim.registry import register
from sim.schedule import Allocation
from sim.view import ClusterView


@register("fifo")
class Fifo:
    """Queries in order of arrival; the first takes all the executors it can use.

    Operators of a query in the plan's order, pipelined as far as they go.
    """

    def decide(self, view: ClusterView) -> list[Allocation]:
        limit = view.num_executors
        return [
            Allocation(operator, limit, limit)
            for query in view.queries
            for operator in query.schedulable
        ]
