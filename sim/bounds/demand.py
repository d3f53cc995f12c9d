"""What a trace asks of a cluster with the luck of one seed, and what B5 says of its makespan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sim.active import ActiveQuery
from sim.bounds.interference import pooled_works, work_of
from sim.bounds.isolated import Shape, shape_of
from sim.cluster import Cluster
from sim.workload import CompiledPlan
from traces import Trace


class Demand(NamedTuple):
    """One query, µs.

    Attributes:
        arrival_us: when it arrives.
        work_us: its work, as the pooled machine of bound B2 counts it.
        isolated_us: its bound B1.
        shape: where B1 comes from; None where that is not needed, as it takes much memory.
    """

    arrival_us: int
    work_us: int
    isolated_us: int
    shape: Shape | None


def demands_of(
    trace: Trace, cluster: Cluster, seed: int, *, keep_shapes: bool = False
) -> list[Demand]:
    """The queries of a trace in arrival order, with the times that they have on this seed."""
    compiled = {plan.name: CompiledPlan(plan, cluster) for plan in trace.plans}
    works, isolated, shapes = [], [], []
    for query in trace.queries:
        plan = compiled[query.plan]
        shape = shape_of(ActiveQuery(query, plan, seed), cluster)
        works.append(work_of(shape, plan))
        isolated.append(shape.isolated_us)
        shapes.append(shape if keep_shapes else None)
    pooled = pooled_works(works, cluster)
    columns = zip(trace.queries, pooled, isolated, shapes, strict=True)
    return [Demand(query.arrival_us, work, alone, shape) for query, work, alone, shape in columns]


def makespan_bound_us(demands: Sequence[Demand], num_executors: int) -> int:
    """Bound B5: least time from the first arrival to the last completion, µs.

    No query completes before its arrival + B1, and all that arrives from t on takes the executors
    at least its work ÷ executors after t.
    """
    last_us = max(demand.arrival_us + demand.isolated_us for demand in demands)
    work_us = 0
    for demand in reversed(demands):
        work_us += demand.work_us
        last_us = max(last_us, demand.arrival_us - (-work_us // num_executors))
    return last_us - demands[0].arrival_us
