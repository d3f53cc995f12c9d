"""What an execution on Spark leaves for the simulator: its plan, and what its driver took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import msgspec

import sim
from lsched.validate.driver import Driver, JobDriver
from traces import Plan, Query, Trace
from traces.capture.spark_groups import SparkRun

US_PER_MS, US_PER_S = 1_000, 1_000_000
JOB_FIFO = "fifo by job"
"""Spark's own order, where rules are named; the others are schedulers of the registry."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One execution of a query.

    Attributes:
        query: its name.
        plan: its stages, with the times of this execution's tasks.
        delays_us: by stage, from its last input (or the submission of the query) to the launch
            of its first task, were an executor free.
        end_us: from the last task's end to the client's.
        jobs: by stage, the number of its job.
    """

    query: str
    plan: Plan
    delays_us: tuple[int, ...]
    end_us: int
    jobs: tuple[int, ...]

    @property
    def driver_us(self) -> int:
        """All that the driver took, though stages may have waited for it at the same time."""
        return sum(self.delays_us) + self.end_us


@dataclass(frozen=True, slots=True)
class Contention:
    """How much longer things take when queries run together than alone.

    Attributes:
        tasks, driver: factors of tasks' times and of the driver's delays.
    """

    tasks: float = 1.0
    driver: float = 1.0


ALONE = Contention()


def launch_lag_ms(runs: Iterable[SparkRun]) -> float:
    """Median time from a stage's submission to its first task's launch.

    Of runs alone: there most stages find an executor free.
    """
    spans = [span for run in runs for span in run.execution.spans]
    return median(span.launch_ms - span.submitted_ms for span in spans)


def to_profile(run: SparkRun, lag_ms: float) -> Profile:
    """The profile of one execution; ``lag_ms`` as of ``launch_lag_ms``."""
    execution, timing = run.execution, run.timing
    spans = execution.spans
    inputs: list[list[int]] = [[] for _ in spans]
    for edge in execution.edges:
        inputs[edge.consumer].append(spans[edge.producer].finish_ms * US_PER_MS)
    arrival_us = round(timing.started_s * US_PER_S)
    delays = []
    for span, ends_us in zip(spans, inputs, strict=True):
        launched_us = min(span.launch_ms, span.submitted_ms + lag_ms) * US_PER_MS
        delays.append(max(0, round(launched_us) - max(ends_us, default=arrival_us)))
    end_us = arrival_us + round(timing.latency_s * US_PER_S)
    last_us = max(span.finish_ms for span in spans) * US_PER_MS
    return Profile(
        query=timing.submission.query,
        plan=Plan(
            name=timing.submission.query,
            # Tasks keep their order: Spark launches a stage's by partition.
            operators=tuple(msgspec.structs.replace(o, waves=()) for o in execution.operators),
            edges=execution.edges,
        ),
        delays_us=tuple(delays),
        end_us=max(0, end_us - last_us),
        jobs=tuple(span.job_id for span in spans),
    )


def predict(
    profiles: Sequence[Profile],
    arrivals_s: Sequence[float],
    rule: str,
    num_executors: int,
    contention: Contention = ALONE,
    *,
    has_driver: bool = True,
) -> list[float]:
    """Latencies in seconds of queries submitted at given times, in the order given.

    Args:
        profiles: one for each submission.
        arrivals_s: when each is submitted.
        rule: a scheduler's name, or ``JOB_FIFO``.
        num_executors: tasks that run at once.
        contention: factors on the profiles' times.
        has_driver: whether the driver's delays count; without them stages follow at once.
    """
    order = sorted(range(len(profiles)), key=lambda index: (arrivals_s[index], index))
    names = [f"{place} {profiles[index].query}" for place, index in enumerate(order)]
    factor = contention.driver if has_driver else 0.0
    delays_us = {
        name: [round(delay * factor) for delay in profiles[index].delays_us]
        for name, index in zip(names, order, strict=True)
    }
    trace = Trace(
        name="spark",
        plans=tuple(
            msgspec.structs.replace(profiles[index].plan, name=name)
            for name, index in zip(names, order, strict=True)
        ),
        queries=tuple(
            Query(
                query_id=place,
                plan=name,
                arrival_us=round(arrivals_s[index] * US_PER_S),
                time_factor=contention.tasks,
            )
            for place, (name, index) in enumerate(zip(names, order, strict=True))
        ),
    )
    # Within an application, a task that ends frees its core for whichever stage comes first.
    cluster = sim.Cluster(executors_per_node=num_executors, release="work-order")
    result = sim.simulate(
        trace, _scheduler(rule, delays_us, names, order, profiles), cluster=cluster
    )
    latencies = [0.0] * len(profiles)
    for record in result.queries:
        index = order[record.query_id]
        latencies[index] = record.latency_s + factor * profiles[index].end_us / US_PER_S
    return latencies


def _scheduler(
    rule: str,
    delays_us: Mapping[str, Sequence[int]],
    names: Sequence[str],
    order: Sequence[int],
    profiles: Sequence[Profile],
) -> Driver:
    if rule == JOB_FIFO:
        jobs = {name: profiles[index].jobs for name, index in zip(names, order, strict=True)}
        return JobDriver(delays_us, jobs)
    return Driver(sim.make_scheduler(rule), delays_us)


def contention(alone: Mapping[str, Sequence[Profile]], together: Sequence[Profile]) -> Contention:
    """Time in runs together ÷ time of the same queries alone, of all tasks and of the driver.

    Args:
        alone: profiles of runs alone by query; each counts as the median over them.
        together: profiles of runs together.
    """
    tasks_us = sum(median(p.plan.work_us for p in alone[profile.query]) for profile in together)
    driver_us = sum(median(p.driver_us for p in alone[profile.query]) for profile in together)
    return Contention(
        tasks=sum(profile.plan.work_us for profile in together) / tasks_us,
        driver=sum(profile.driver_us for profile in together) / driver_us,
    )
