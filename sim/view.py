"""What schedulers see (R10): thin read-only views of the live state.

Views read the state at the moment they are asked; use them inside ``decide`` and do not keep them.
True times of work orders that have not run are nowhere in them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sim.active import ActiveQuery
from sim.cluster import Cluster
from sim.operator_view import OperatorView, Size
from sim.query_view import QueryView
from sim.workload import REST, wave_time

if TYPE_CHECKING:
    from sim.engine import Engine

__all__ = ["ClairvoyantView", "ClusterView", "OperatorView", "QueryView", "Size"]


class ClusterView:
    """The cluster at a scheduling event."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cluster = engine.cluster.replace(outages=())

    @property
    def now_us(self) -> int:
        """Time of this scheduling event, µs."""
        return self._engine.now_us

    @property
    def cluster(self) -> Cluster:
        """Its configuration, without the outages, which are the future."""
        return self._cluster

    @property
    def num_executors(self) -> int:
        """Executors that are there now, at least 1; ``cluster`` has how many can be (R13)."""
        return self._engine.num_executors

    @property
    def num_executors_on(self) -> list[int]:
        """Executors that are there now, per node."""
        return self._engine.num_executors_on

    @property
    def num_free(self) -> int:
        """Executors that run nothing."""
        return self._engine.num_free

    @property
    def queries(self) -> list[QueryView]:
        """Queries in the system, in order of arrival."""
        return list(self._engine.query_views.values())

    @property
    def correction(self) -> float:
        """Observed ÷ estimated work of all completed queries; 1 before the first."""
        return self._engine.history.correction

    @property
    def memory_used_bytes(self) -> list[int]:
        """Bytes of states and cut outputs held per node; zeros without a memory budget."""
        return self._engine.memory_used_bytes


class ClairvoyantView(ClusterView):
    """The cluster with the true future, for schedulers marked ``is_clairvoyant``.

    No real scheduler can see this; it shows what perfect estimates would be worth.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._sums: dict[ActiveQuery, list[list[float]]] = {}

    def true_remaining_us(self, query: QueryView) -> float:
        """True base time of work orders that are not done, µs.

        Running ones count in full. Where a profile is recorded, times of later waves at its
        smallest executor count.
        """
        active, state, total = query._active, self._engine.state, 0.0
        for operator, sums in enumerate(self._running_sums(active)):
            slot = active.base_slot + operator
            if state.is_complete[slot]:
                continue
            root, count = state.root[slot], len(sums) - 1
            if root < 0:
                total += sums[-1]
                continue
            num_tasks = state.num_tasks[root]
            tasks, rest = self._engine.unfinished_tasks(root)
            for task in tasks:
                high, low = (task + 1) * count // num_tasks, task * count // num_tasks
                total += sums[high] - sums[low]
            total += sums[-1] - sums[rest * count // num_tasks]
        return total

    def _running_sums(self, active: ActiveQuery) -> list[list[float]]:
        """Per operator, the true time of its first i work orders."""
        if active not in self._sums:
            self._sums = {known: sums for known, sums in self._sums.items() if known.is_active}
            self._sums[active] = [
                list(itertools.accumulate(_true_times(active, operator), initial=0.0))
                for operator in range(active.compiled.num_operators)
            ]
        return self._sums[active]


def _true_times(active: ActiveQuery, operator: int) -> Iterable[float]:
    uniform = active.draw.uniform[operator]
    if uniform is None:
        return active.draw.base_us[operator]
    recorded, factor = active.compiled.plan.operators[operator], active.query.time_factor
    return (factor * wave_time(recorded, 1, REST, number) for number in uniform)
