"""Many runs, in this process or in parallel worker processes, with the same results."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from lsched.arrivals import Arrivals
from lsched.errors import OptionError, WorkerError
from sim import (
    Cluster,
    ClusterError,
    InvalidSchedule,
    QueryRecord,
    Result,
    SchedulerError,
    Stalled,
    UnknownScheduler,
    simulate,
)
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
    """One run to do; ``trace`` is an index."""

    trace: int
    arrivals: Arrivals
    scheduler: str
    seed: int


@dataclass(frozen=True, slots=True)
class Run:
    """What one run gave: its seed, one record per query, and ``Result.summary()``."""

    seed: int
    queries: tuple[QueryRecord, ...]
    summary: dict[str, float]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all runs share."""

    traces: tuple[Trace, ...]
    cluster: Cluster
    has_history: bool = True


def run_all(
    setting: Setting,
    jobs: Sequence[Job],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[Run]:
    """Do every job; the runs are in the order of the jobs.

    Apart from wall-clock figures they do not depend on ``workers``.

    Args:
        setting: what all runs share.
        jobs: the runs to do.
        workers: processes; 1 runs everything in this one, which is what notebooks and schedulers
            registered in an interactive session need.
        progress: called after each run.

    Raises:
        OptionError: workers is below 1.
        WorkerError: a worker process died.
        TraceError, InvalidSchedule, Stalled, UnknownScheduler, SchedulerError: a run failed; the
            message names trace, scheduler and seed.
    """
    if workers < 1:
        raise OptionError(f"workers is {workers}, expected at least 1")
    runs: list[Run] = []
    if workers == 1 or len(jobs) == 1:
        for index, job in enumerate(jobs):
            runs.append(_run(setting, job))
            if progress is not None:
                progress(index + 1, len(jobs))
    else:
        _run_parallel(setting, jobs, min(workers, len(jobs)), progress, runs)
    return runs


def simulate_job(setting: Setting, job: Job, *, record_events: bool = False) -> Result:
    """Do one job in this process and give its full result.

    Raises:
        TraceError, InvalidSchedule, Stalled, UnknownScheduler, SchedulerError: as ``run_all``.
    """
    trace = setting.traces[job.trace]
    try:
        return simulate(
            job.arrivals.of(trace, setting.cluster, job.seed),
            job.scheduler,
            cluster=setting.cluster,
            seed=job.seed,
            history=setting.has_history,
            record_events=record_events,
        )
    except RUN_ERRORS as error:
        place = f"trace {trace.name!r}, scheduler {job.scheduler!r}, seed {job.seed}"
        raise type(error)(f"{place}: {error}") from error


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(setting: Setting, job: Job) -> Run:
    result = simulate_job(setting, job)
    return Run(job.seed, tuple(result.queries), result.summary())


def _run_parallel(
    setting: Setting,
    jobs: Sequence[Job],
    workers: int,
    progress: Progress | None,
    runs: list[Run],
) -> None:
    # "spawn" starts clean processes: the same on every platform, and safe where threads run.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start_worker, (setting,))
    try:
        # In the order of the jobs, so that of several failures the same one is reported.
        futures = [pool.submit(_run_in_worker, job) for job in jobs]
        for index, future in enumerate(futures):
            runs.append(future.result())
            if progress is not None:
                progress(index + 1, len(jobs))
    except BrokenProcessPool:
        raise WorkerError(
            "a worker process ended abruptly, perhaps because memory ran out; fewer workers need "
            "less of it"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_setting: Setting | None = None
"""In a worker process: what its jobs share."""


def _start_worker(setting: Setting) -> None:
    global _setting
    _setting = setting
    # Interrupted together with its parent, a worker ends without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _run_in_worker(job: Job) -> Run:
    assert _setting is not None
    return _run(_setting, job)
