"""Critical path: the operator that most work waits for first."""

from __future__ import annotations

from sim.registry import register
from sim.schedule import Allocation
from sim.schedulers.common import Listing, MemoryRule, PipelineRule, check_choice
from sim.schedulers.sjf import shortest_first
from sim.view import ClusterView, OperatorView, QueryView, Size


@register("critical-path")
class CriticalPath:
    """In a query the operator with the heaviest path to the end first; queries as in ``sjf``.

    Source: longest tail first is Hu's rule ("Parallel sequencing and assembly line problems",
    Operations Research 9(6), 1961); with shortest job first it is "SJF-CP" in Mao et al., SIGCOMM
    2019.

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
        return self._listing.allocations(view, limits, self._heaviest_path_first)

    def _heaviest_path_first(self, query: QueryView) -> list[OperatorView]:
        paths_us = query.critical_paths_us(self._size)
        return sorted(query.schedulable, key=lambda operator: -paths_us[operator.index])
