"""Submitting queries to an engine at given times, each from a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Submission:
    """A query to be submitted ``at_s`` seconds after its group begins, under a unique label."""

    label: str
    query: str
    at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Timing:
    """A submission as its client saw it.

    Attributes:
        submission: what was to be submitted.
        arrival_s: when it was, seconds after its group began.
        started_s: the same, seconds since 1970.
        latency_s: until its result was complete.
    """

    submission: Submission
    arrival_s: float
    started_s: float
    latency_s: float


def run_together(
    submissions: Sequence[Submission],
    execute: Callable[[Submission], None],
    cancel: Callable[[], None],
) -> list[Timing]:
    """Run a group of queries; timings in the order of the submissions.

    Args:
        submissions: at least one.
        execute: runs one to its end; called from several threads.
        cancel: makes ``execute`` end early, whatever it is at; called when a submission fails, or
            a signal raises in the thread that waits here.

    Raises:
        Exception: what ``execute`` raised first; the other submissions have ended then.
    """
    stopped = threading.Event()
    begin, begin_s = time.perf_counter(), time.time()

    def client(submission: Submission) -> Timing | None:
        stopped.wait(begin + submission.at_s - time.perf_counter())
        if stopped.is_set():
            return None
        start = time.perf_counter()
        execute(submission)
        latency_s = time.perf_counter() - start
        return Timing(submission, start - begin, begin_s + start - begin, latency_s)

    with ThreadPoolExecutor(len(submissions)) as pool:
        futures = [pool.submit(client, submission) for submission in submissions]
        try:
            _wait(futures)
        except BaseException:
            stopped.set()
            cancel()
            raise
    return [timing for future in futures if (timing := future.result()) is not None]


def _wait(futures: Sequence[Future[Timing | None]]) -> None:
    """Until all are done or one has failed; raises what it raised."""
    for future in wait(futures, return_when=FIRST_EXCEPTION).done:
        future.result()
