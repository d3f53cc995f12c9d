"""The simulator under the decisions of an optimal schedule."""

from __future__ import annotations

from lsched.validate.optimum import Optimum, Step
from sim import Allocation, Cluster, ClusterView, Result, Schedule, simulate
from traces import Trace


class Replay:
    """A scheduler that does what an optimum says: at each of its instants, what starts there.

    It is asked at every one of them, because it sets a timer (R5).
    """

    def __init__(self, trace: Trace, optimum: Optimum) -> None:
        self._steps: dict[int, Step] = {step[0]: step for step in optimum.steps}
        self._instants = [step[0] for step in optimum.steps]
        self._ids = [query.query_id for query in trace.queries]

    def decide(self, view: ClusterView) -> Schedule:
        """What starts now, and a timer for the next instant."""
        queries = {query.query_id: query for query in view.queries}
        limits = {query_id: query.num_executors for query_id, query in queries.items()}
        allocations = []
        for start in self._steps[view.now_us][1]:
            query_id = self._ids[start.query]
            # Of a query's allocations each takes executors up to its own limit, in order.
            limits[query_id] += start.num_executors
            operator = queries[query_id].operators[start.root]
            allocations.append(Allocation(operator, limits[query_id], start.degree))
        later = [instant for instant in self._instants if instant > view.now_us]
        return Schedule(allocations, until_us=later[0] if later else None)


def replay(trace: Trace, num_executors: int, optimum: Optimum) -> Result:
    """Simulate the optimum's decisions on the cluster that it was searched for."""
    return simulate(
        trace, Replay(trace, optimum), cluster=Cluster(executors_per_node=num_executors)
    )
