"""What schedulers see (R10): thin read-only views of the live state.

Views read the state at the moment they are asked; use them inside ``decide`` and do not keep them.
True times of work orders that have not run are nowhere in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.cluster import Cluster
from sim.operator_view import OperatorView, Size
from sim.query_view import QueryView
from sim.state import ActiveQuery

if TYPE_CHECKING:
    from sim.simulation import Simulation

__all__ = ["ClairvoyantView", "ClusterView", "OperatorView", "QueryView", "Size"]


class ClusterView:
    """The cluster at a scheduling event."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._queries: dict[ActiveQuery, QueryView] = {}

    @property
    def now_us(self) -> int:
        """Time of this scheduling event, µs."""
        return self._simulation.now_us

    @property
    def cluster(self) -> Cluster:
        """Its configuration."""
        return self._simulation.cluster

    @property
    def num_executors(self) -> int:
        """Executors in the cluster."""
        return self._simulation.cluster.num_executors

    @property
    def num_free(self) -> int:
        """Executors that run nothing."""
        return len(self._simulation.dispatcher.free)

    @property
    def queries(self) -> list[QueryView]:
        """Queries in the system, in order of arrival."""
        return list(self._queries.values())

    @property
    def memory_used_bytes(self) -> list[int]:
        """Bytes of states and cut outputs held per node; zeros without a memory budget."""
        return list(self._simulation.progress.memory.used_bytes)

    def query(self, active: ActiveQuery) -> QueryView:
        """The view of a query in the system."""
        return self._queries[active]

    def add(self, active: ActiveQuery) -> None:
        """A query has arrived (for the simulation)."""
        self._queries[active] = QueryView(self._simulation, active)

    def remove(self, active: ActiveQuery) -> None:
        """A query has completed (for the simulation)."""
        del self._queries[active]


class ClairvoyantView(ClusterView):
    """The cluster with the true future, for schedulers marked ``is_clairvoyant``.

    No real scheduler can see this; it shows what perfect estimates would be worth.
    """

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation)
        self._queries = simulation.view._queries

    def true_remaining_us(self, query: QueryView) -> float:
        """True base time of work orders that are not done, µs; of running ones, the mean."""
        simulation, active = self._simulation, query._active
        state, total = simulation.state, 0.0
        for operator, times in enumerate(active.draw.base_us):
            slot = active.base_slot + operator
            if state.is_complete[slot]:
                continue
            root = state.root[slot]
            share = 1.0 if root < 0 else 1.0 - state.num_done[root] / state.num_tasks[root]
            total += share * sum(times)
        return total
