"""Critical path: the operator that most work waits for first."""

from __future__ import annotations

from collections.abc import Sequence

from sim.registry import register
from sim.schedulers.sjf import ShortestJobFirst
from sim.view import OperatorView, QueryView


@register("critical-path")
class CriticalPath(ShortestJobFirst):
    """In a query the operator with the heaviest path to the end first; queries as in ``sjf``.

    Source: longest tail first is Hu's rule ("Parallel sequencing and assembly line problems",
    Operations Research 9(6), 1961); with shortest job first it is "SJF-CP" in Mao et al., SIGCOMM
    2019.

    Args:
        size: where the work comes from.
        memory, pipeline: see ``Listing``.
    """

    def _rank(self, query: QueryView) -> Sequence[OperatorView]:
        paths_us = query.critical_paths_us(self._size)
        return sorted(query.schedulable, key=lambda operator: -paths_us[operator.index])
