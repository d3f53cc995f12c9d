"""What the simulator is told of DuckDB: profiles, planning, a cluster, and the rule."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sim
from traces import Plan, Query, Trace
from traces.capture.duckdb import Capture, measured_plans
from traces.capture.duckdb_estimates import to_plans
from traces.capture.duckdb_plan import CACHE_BYTES
from traces.kinds import KINDS

SHARING = "stride:decay_start=1000000000"
"""Equal shares of time: stride scheduling whose priorities never decay."""
RULES = {SHARING: "equal time", "fair": "fair", "fifo": "fifo"}
"""Rules that predict, and how tables call them; the first stands for DuckDB."""
MAX_INTERFERENCE, MAX_CONTENTION = 10.0, 1.0


@dataclass(frozen=True)
class Profiles:
    """What a capture with one thread says of the queries.

    Attributes:
        plans: operators with their times, by name.
        planning_us: time before the first work order, by plan.
    """

    plans: Mapping[str, Plan]
    planning_us: Mapping[str, int]


def joined(captures: Sequence[Capture]) -> Capture:
    """One capture with the executions of several of the same queries on the same data."""
    first = captures[0]
    executions = {
        name: [execution for capture in captures for execution in capture.executions[name]]
        for name in first.executions
    }
    return dataclasses.replace(first, executions=executions)


def to_profiles(capture: Capture) -> Profiles:
    """The profiles of a capture."""
    measured = measured_plans(capture)
    return Profiles(
        plans={plan.name: plan for plan in to_plans(measured)},
        planning_us={
            item.name: max(0, round(item.latency_us - item.execution_us)) for item in measured
        },
    )


def plain_cluster(num_threads: int) -> sim.Cluster:
    """As many executors as threads, and the cache that the profiles are relative to."""
    return sim.Cluster(executors_per_node=num_threads, cache_bytes=CACHE_BYTES)


def predict(
    names: Sequence[str], profiles: Profiles, cluster: sim.Cluster, rule: str
) -> list[float]:
    """Latencies in seconds of queries that are submitted at the same time, in the order given.

    Each begins when it is planned, which is taken to need no executor.
    """
    planning_us = profiles.planning_us
    order = sorted(range(len(names)), key=lambda index: planning_us[names[index]])
    trace = Trace(
        name="duckdb",
        plans=tuple(profiles.plans[name] for name in dict.fromkeys(names)),
        queries=tuple(
            Query(query_id=index, plan=names[index], arrival_us=planning_us[names[index]])
            for index in order
        ),
    )
    result = sim.simulate(trace, rule, cluster=cluster)
    ends_s = {record.query_id: record.completion_s for record in result.queries}
    return [ends_s[index] for index in range(len(names))]


def interference(profiles: Profiles, num_executors: int, slowdown: float) -> float:
    """γ with which work slows down by a factor when all executors are busy."""
    boundness = _mean(profiles.plans.values(), "memory_boundness")
    gamma = (slowdown - 1.0) * num_executors / (num_executors - 1) / boundness
    return min(max(0.0, gamma), MAX_INTERFERENCE)


def contention(profiles: Profiles, num_executors: int, slowdown: float) -> float:
    """σ with which work slows down by a factor when one query has all executors."""
    sigma = (slowdown - 1.0) / (num_executors - 1) / _mean(profiles.plans.values(), "contention")
    return min(max(0.0, sigma), MAX_CONTENTION)


def _mean(plans: Collection[Plan], name: str) -> float:
    """Mean of a coefficient of operator kinds, by work."""
    operators = [operator for plan in plans for operator in plan.operators]
    work_us = math.fsum(operator.work_us for operator in operators)
    weighted = (operator.work_us * getattr(KINDS[operator.kind], name) for operator in operators)
    return math.fsum(weighted) / work_us
