"""Queries of Decima's profiles alone on a cluster, against two published simulators.

Both replay the stage profiles of TPC-H on Spark (github.com/hongzimao/decima-sim by Decima's
authors, github.com/ArchieGertsman/spark-sched-sim). Where each task takes its stage's mean, nothing
is left to luck, and what differs between simulators is the order of stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sim import Allocation, Cluster, ClusterView, simulate
from sim.registry import Scheduler
from traces import Plan, Query, Trace
from traces.importers.decima import import_decima

SIZE = "10g"
CLUSTER = Cluster(executors_per_node=10, move_delay_us=2_000_000, release="pipeline")
"""Ten executors that stick to their stage; each takes 2 s to come to the query."""


@dataclass(frozen=True, slots=True)
class Published:
    """What the two simulators say, s."""

    first_s: float
    second_s: float


PUBLISHED = {
    "6": Published(20.857, 20.857),
    "9": Published(54.630, 54.461),
    "18": Published(52.787, 52.910),
}
"""By number of the query."""


@dataclass(frozen=True, slots=True)
class Alone:
    """Latency of a query alone, s, by order of stages.

    Attributes:
        query: its number in TPC-H.
        earliest_ready_s: the stage that could start first, first.
        by_index_s: in the order of the plan (``fair``).
        longest_path_s: by the longest way to the end (``critical-path``).
    """

    query: str
    earliest_ready_s: float
    by_index_s: float
    longest_path_s: float


class EarliestReady:
    """Of a query's stages, the one that could start first goes first; equals by their index.

    The order of the simulator of Decima's authors, which keeps a list of stages that may run and
    appends those whose parents have ended. In the plan's order instead, a stage whose parents have
    just ended overtakes others that could have started long before.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[int, int], int] = {}

    def decide(self, view: ClusterView) -> list[Allocation]:
        """Answer a scheduling event."""
        stages = [stage for query in view.queries for stage in query.schedulable]
        keys = {(stage.query.query_id, stage.index): stage for stage in stages}
        for key in keys:
            self._places.setdefault(key, len(self._places))
        ordered = sorted(keys, key=self._places.__getitem__)
        return [Allocation(keys[key], view.num_executors) for key in ordered]


def latency_alone_s(plan: Plan, scheduler: str | Scheduler) -> float:
    """Latency of one query of a plan on an empty ``CLUSTER``, s."""
    query = Query(query_id=0, plan=plan.name, arrival_us=0)
    trace = Trace(name=plan.name, plans=(plan,), queries=(query,))
    (record,) = simulate(trace, scheduler, cluster=CLUSTER).queries
    return record.latency_s


def queries_alone(path: Path, queries: Sequence[str] = tuple(PUBLISHED)) -> list[Alone]:
    """Import stage means and simulate each query alone.

    Args:
        path: Decima's profiles, see ``import_decima``.
        queries: numbers of TPC-H.

    Raises:
        TraceError: the profiles cannot be read, or lack the size or one of the queries.
    """
    trace = import_decima(path, times="mean", sizes=[SIZE], only=queries)
    plans = {plan.name.rpartition("-q")[2]: plan for plan in trace.plans}
    return [
        Alone(
            query,
            latency_alone_s(plans[query], EarliestReady()),
            latency_alone_s(plans[query], "fair"),
            latency_alone_s(plans[query], "critical-path"),
        )
        for query in queries
    ]
