"""Many runs, in this process or in parallel worker processes, with the same results."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from lsched.arrivals import Arrivals
from lsched.errors import OptionError, WorkerError
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
        OptionError: workers is not a whole number from 1.
        WorkerError: a worker process died.
        TraceError, InvalidSchedule, Stalled, UnknownScheduler, SchedulerError: a run failed; the
            message names trace, scheduler and seed.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise OptionError(f"workers is {workers!r}, expected a whole number from 1")
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


def _run_parallel(
    setting: Setting,
    jobs: Sequence[Job],
    workers: int,
    progress: Progress | None,
    runs: list[Run],
) -> None:
    # "spawn" starts clean processes: the same on every platform, and safe where threads run.
    context = multiprocessing.get_context("spawn")
    states = context.RawArray("b", len(jobs))
    # Nothing is ever sent: workers end at once when the other end closes, also because this
    # process has died.
    lifeline, held = context.Pipe(duplex=False)
    with _signals_blocked():  # multiprocessing's resource tracker starts, and inherits this
        pool = ProcessPoolExecutor(workers, context, _start_worker, (setting, states, lifeline))
    try:
        with _signals_blocked():  # again, as starting the tracker unblocks; now for workers
            futures = [pool.submit(_run_in_worker, *numbered) for numbered in enumerate(jobs)]
        # In the order of the jobs, so that of several failures the same one is reported.
        for index, future in enumerate(futures):
            try:
                runs.append(future.result())
            except UnknownScheduler:
                _check_is_known_here_only(jobs[index].scheduler)
                raise
            if progress is not None:
                progress(index + 1, len(jobs))
    except BrokenProcessPool:
        running = [job for job, state in zip(jobs, states, strict=True) if state == _RUNNING]
        raise WorkerError(_why_broken(running)) from None
    except BaseException:
        held.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        held.close()
        lifeline.close()


def _check_is_known_here_only(scheduler: str) -> None:
    try:
        make_scheduler(scheduler)
    except UnknownScheduler:
        return
    raise UnknownScheduler(
        f"scheduler {scheduler!r} is registered only in the calling process, worker processes do "
        "not know it; put it in a file, as path/to/file.py:ClassName, or use workers=1"
    )


def _why_broken(running: Sequence[Job]) -> str:
    if not running:
        return (
            "the worker processes ended before their first run; workers need a script in a file, "
            "with `if __name__ == '__main__':`"
        )
    names = ", ".join(dict.fromkeys(repr(job.scheduler) for job in running))
    return (
        f"a worker process ended abruptly while {names} ran, perhaps because memory ran out; "
        "fewer workers need less of it"
    )


_STOPS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@contextmanager
def _signals_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_RUNNING, _DONE = 1, 2
_setting: Setting | None = None
"""In a worker process: what its jobs share."""
_states: Any = None
"""In a worker process: by job, 0, running or done; shared with the parent."""


def _start_worker(setting: Setting, states: Any, lifeline: Connection) -> None:
    global _setting, _states
    _setting, _states = setting, states
    for stop in _STOPS:
        if stop != signal.SIGTERM:
            signal.signal(stop, signal.SIG_IGN)  # the parent gets it as well, and ends workers
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()


def _end_with_parent(lifeline: Connection) -> None:
    lifeline.poll(None)
    os._exit(1)


def _run_in_worker(index: int, job: Job) -> Run:
    assert _setting is not None
    _states[index] = _RUNNING
    try:
        return _run(_setting, job)
    finally:
        _states[index] = _DONE
