"""What schedulers see (R10): thin read-only views of the live state.

Views read the state at the moment they are asked; use them inside ``decide`` and do not keep them.
True times of work orders that have not run are nowhere in them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sim.cluster import Cluster
from sim.operator_view import OperatorView, Size
from sim.query_view import QueryView
from sim.state import ActiveQuery
from sim.workload import REST, wave_time

if TYPE_CHECKING:
    from sim.simulation import Simulation

__all__ = ["ClairvoyantView", "ClusterView", "OperatorView", "QueryView", "Size"]


class ClusterView:
    """The cluster at a scheduling event."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._cluster = simulation.cluster.replace(outages=())

    @property
    def now_us(self) -> int:
        """Time of this scheduling event, µs."""
        return self._simulation.now_us

    @property
    def cluster(self) -> Cluster:
        """Its configuration, without the outages, which are the future."""
        return self._cluster

    @property
    def num_executors(self) -> int:
        """Executors that are there now, at least 1; ``cluster`` has how many can be (R13)."""
        return self._simulation.availability.num_executors

    @property
    def num_executors_on(self) -> list[int]:
        """Executors that are there now, per node."""
        return list(self._simulation.availability.num_executors_on)

    @property
    def num_free(self) -> int:
        """Executors that run nothing."""
        return len(self._simulation.dispatcher.free)

    @property
    def queries(self) -> list[QueryView]:
        """Queries in the system, in order of arrival."""
        return list(self._simulation.query_views.values())

    @property
    def memory_used_bytes(self) -> list[int]:
        """Bytes of states and cut outputs held per node; zeros without a memory budget."""
        return list(self._simulation.progress.memory.used_bytes)


class ClairvoyantView(ClusterView):
    """The cluster with the true future, for schedulers marked ``is_clairvoyant``.

    No real scheduler can see this; it shows what perfect estimates would be worth.
    """

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation)
        self._sums: dict[ActiveQuery, list[list[float]]] = {}

    def true_remaining_us(self, query: QueryView) -> float:
        """True base time of work orders that are not done, µs.

        Running ones count in full. Where a profile is recorded, times of later waves at its
        smallest executor count.
        """
        simulation, active = self._simulation, query._active
        state, free, total = simulation.state, simulation.dispatcher.free, 0.0
        running = [e for e in simulation.executors if e.slot == active.slot and e not in free]
        for operator, sums in enumerate(self._running_sums(active)):
            slot = active.base_slot + operator
            if state.is_complete[slot]:
                continue
            root, count = state.root[slot], len(sums) - 1
            if root < 0:
                total += sums[-1]
                continue
            num_tasks, claimed = state.num_tasks[root], state.next_task[root]
            tasks = [executor.task for executor in running if executor.root == root]
            order = simulation.progress.pipelines[root].order
            if order is None:
                total += sums[-1] - sums[claimed * count // num_tasks]
            else:
                tasks += order[claimed:]
            for task in tasks:
                high, low = (task + 1) * count // num_tasks, task * count // num_tasks
                total += sums[high] - sums[low]
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
