"""What a run leaves behind: one record per query, and figures over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.cluster import Cluster
from sim.events import Event
from sim.history import History
from sim.totals import Totals
from traces import Query
from traces.units import US_PER_S


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """One completed query. Times in seconds from the start of the trace.

    Attributes:
        latency_s: completion − arrival.
        queueing_s: start of its first work order − arrival.
        isolated_s: lower bound on its latency alone on the cluster (bound B1).
        slowdown: latency ÷ that bound, at least 1.
        work_s: executor time of its work orders.
        delay_s: executor time of moves and warm-ups.
        lost_s: executor time that went into work orders that were lost (R13).
    """

    query_id: int
    plan: str
    template: str
    tenant: str
    query_class: str
    arrival_s: float
    start_s: float
    completion_s: float
    latency_s: float
    queueing_s: float
    isolated_s: float
    slowdown: float
    work_s: float
    delay_s: float
    lost_s: float
    num_work_orders: int

    @classmethod
    def of(
        cls,
        query: Query,
        start_us: int,
        completion_us: int,
        isolated_us: int,
        busy_us: int,
        delay_us: int,
        lost_us: int,
        num_work_orders: int,
    ) -> QueryRecord:
        """The record of a query that has completed, from times in µs."""
        arrival_us = query.arrival_us
        latency_us = completion_us - arrival_us
        return cls(
            query_id=query.query_id,
            plan=query.plan,
            template=query.template,
            tenant=query.tenant,
            query_class=query.query_class,
            arrival_s=arrival_us / US_PER_S,
            start_s=start_us / US_PER_S,
            completion_s=completion_us / US_PER_S,
            latency_s=latency_us / US_PER_S,
            queueing_s=(start_us - arrival_us) / US_PER_S,
            isolated_s=isolated_us / US_PER_S,
            slowdown=latency_us / isolated_us,
            work_s=busy_us / US_PER_S,
            delay_s=delay_us / US_PER_S,
            lost_s=lost_us / US_PER_S,
            num_work_orders=num_work_orders,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """One simulated run.

    Attributes:
        scheduler, trace, seed, cluster: what was run.
        queries: one record per query, in order of completion; none where they were passed on.
        totals: sums over all queries.
        executor_time_s: executor time that there was from the first arrival to the last
            completion: makespan × executors, where they all stay.
        num_schedules: scheduling events.
        schedule_s: wall-clock seconds spent in the scheduler.
        wall_s: wall-clock seconds of the whole run.
        peak_memory_bytes: most memory held by states and cut outputs; 0 without a budget.
        history: completed runs by plan, to start another run with.
        events: the event log, if it was recorded.
    """

    scheduler: str
    trace: str
    seed: int
    cluster: Cluster
    queries: Sequence[QueryRecord]
    totals: Totals
    executor_time_s: float
    num_schedules: int
    schedule_s: float
    wall_s: float
    peak_memory_bytes: int
    history: History
    events: Sequence[Event] | None = None

    def summary(self) -> dict[str, float]:
        """Figures over all queries: latencies, slowdown, makespan, utilization, costs."""
        totals, count = self.totals, self.totals.num_queries
        return {
            **totals.latency_figures(),
            "mean_slowdown": totals.slowdown / count,
            "mean_queueing_s": totals.queueing_s / count,
            "makespan_s": totals.makespan_s,
            "utilization": totals.busy_s / self.executor_time_s,
            "work_s": totals.work_s,
            "lost_s": totals.lost_s,
            "peak_memory_bytes": self.peak_memory_bytes,
            "num_queries": count,
            "num_work_orders": totals.num_work_orders,
            "num_schedules": self.num_schedules,
            "mean_schedule_us": self.schedule_s / max(self.num_schedules, 1) * US_PER_S,
            "wall_s": self.wall_s,
        }
