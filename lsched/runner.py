"""Many runs, in this process or in parallel worker processes, with the same results."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from lsched.arrivals import Arrivals
from lsched.crew import Crew, JobError, executor_of
from lsched.executor import Death, Executor
from lsched.needed_files import check_needed_files, needed_files
from sim import (
    Cluster,
    ClusterError,
    InvalidSchedule,
    LowerBounds,
    QueryRecord,
    Result,
    SchedulerError,
    Stalled,
    UnknownScheduler,
    lower_bounds,
    make_scheduler,
    simulate,
)
from sim.bounds import Method
from sim.engines import EngineName, ready_engine
from traces import Trace, TraceError

RUN_ERRORS = (
    TraceError,
    ClusterError,
    InvalidSchedule,
    Stalled,
    UnknownScheduler,
    SchedulerError,
)
"""Errors that a run may end with, whose message is meant for the user."""

Progress = Callable[[int, int], None]
"""Called with the number of runs that are done and of all runs."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run to do; ``trace`` is an index; with ``bounds``, lower bounds are wanted as well."""

    trace: int
    arrivals: Arrivals
    scheduler: str
    seed: int
    bounds: Method | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What one run gave: its seed, one record per query, and ``Result.summary()``.

    ``bounds`` are lower bounds on what any scheduler reaches, where the job asked for them.
    """

    seed: int
    queries: tuple[QueryRecord, ...]
    summary: dict[str, float]
    bounds: LowerBounds | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """In place of a run: the job whose worker process died, and how."""

    job: Job
    reason: str


@dataclass(frozen=True, slots=True)
class Setting:
    """What all runs share."""

    traces: tuple[Trace, ...]
    cluster: Cluster
    has_history: bool = True
    engine: EngineName | None = None


def run_all(
    setting: Setting,
    jobs: Sequence[Job],
    *,
    workers: int | Executor = 1,
    progress: Progress | None = None,
) -> list[Run | Lost]:
    """Do every job; the runs are in the order of the jobs.

    Apart from wall-clock figures they do not depend on ``workers``. A job whose worker process
    dies, and dies again when nothing else runs, is lost; all others are done.

    Args:
        setting: what all runs share.
        jobs: the runs to do.
        workers: processes, or an executor such as ``RayExecutor``; 1 runs everything in this
            process, which is what notebooks and schedulers registered in an interactive session
            need.
        progress: called after each run.

    Raises:
        OptionError: workers is neither a whole number from 1 nor an executor.
        WorkerError: no worker process could begin.
        TraceError, InvalidSchedule, Stalled, UnknownScheduler, SchedulerError: a run failed; the
            message names trace, scheduler and seed.
    """
    executor, prepare = executor_of(workers), None
    if not isinstance(workers, int):
        prepare = partial(_prepare, needed_files(job.scheduler for job in jobs), _has_policies())
    elif len(jobs) == 1:
        executor = None
    try:
        with Crew(executor, _run, setting, _kind, prepare) as crew:
            results = crew.do_all(jobs, progress)
    except JobError as failure:
        if isinstance(failure.error, UnknownScheduler):
            _check_is_known_here_only(jobs[failure.index].scheduler)
        raise failure.error from None
    return [
        Lost(job, result.reason) if isinstance(result, Death) else result
        for job, result in zip(jobs, results, strict=True)
    ]


def simulate_job(setting: Setting, job: Job, *, record_events: bool = False) -> Result:
    """Do one job in this process and give its full result.

    Raises:
        TraceError, InvalidSchedule, Stalled, UnknownScheduler, SchedulerError: as ``run_all``.
    """
    trace = setting.traces[job.trace]
    with blamed(trace.name, job.scheduler, job.seed):
        return simulate(
            job.arrivals.of(trace, setting.cluster, job.seed),
            job.scheduler,
            cluster=setting.cluster,
            seed=job.seed,
            history=setting.has_history,
            engine=setting.engine,
            record_events=record_events,
        )


@contextmanager
def blamed(trace: str, scheduler: str, seed: int) -> Iterator[None]:
    """Errors that end a run say which run it was."""
    try:
        yield
    except RUN_ERRORS as error:
        place = f"trace {trace!r}, scheduler {scheduler!r}, seed {seed}"
        raise type(error)(f"{place}: {error}") from error


def bounds_of(setting: Setting, job: Job, method: Method) -> LowerBounds:
    """Lower bounds on what any scheduler reaches with the queries of a job."""
    arrivals = job.arrivals.of(setting.traces[job.trace], setting.cluster, job.seed)
    return lower_bounds(arrivals, setting.cluster, job.seed, method)


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(setting: Setting, job: Job) -> Run:
    result = simulate_job(setting, job)
    bounds = None if job.bounds is None else bounds_of(setting, job, job.bounds)
    return Run(job.seed, tuple(result.queries), result.summary(), bounds)


def _prepare(files: dict[str, str], has_policies: bool, setting: Setting) -> None:
    """On another machine: check that it has the same schedulers, and compile what runs need."""
    check_needed_files(files)
    if setting.engine == "fast":
        ready_engine("fast")
        if has_policies:
            from lsched.learn.inference.decider import make_ready

            make_ready()


def _has_policies() -> bool:
    """Whether one of the schedulers that have been made here was a compiled policy."""
    return "lsched.learn.inference.entry" in sys.modules


def _kind(job: Job) -> Hashable:
    return job.trace, job.arrivals, job.scheduler


def _check_is_known_here_only(scheduler: str) -> None:
    try:
        make_scheduler(scheduler)
    except UnknownScheduler:
        return
    raise UnknownScheduler(
        f"scheduler {scheduler!r} is registered only in the calling process, worker processes do "
        "not know it; put it in a file, as path/to/file.py:ClassName, or in a package that is "
        "installed wherever they run, or use workers=1"
    )
