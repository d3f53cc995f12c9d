"""Submissions from threads of their own, and processors that they share."""

from __future__ import annotations

import os
import threading
import time

import pytest

from traces import TraceError
from traces.capture.duckdb_groups import num_processors, processors
from traces.capture.together import Submission, run_together


def test_submissions_run_at_their_times_and_at_once() -> None:
    barrier = threading.Barrier(2, timeout=10)  # passed only by two that run at once
    seen = []

    def execute(submission: Submission) -> None:
        barrier.wait()
        seen.append(submission.query)

    group = [Submission("0 a", "a"), Submission("1 b", "b", at_s=0.05)]
    before = time.time()
    timings = run_together(group, execute, pytest.fail)
    assert sorted(seen) == ["a", "b"]
    assert [timing.submission for timing in timings] == group
    first, second = timings
    assert second.arrival_s >= 0.05
    assert first.latency_s >= 0.05 - first.arrival_s  # it waited for the other
    assert before <= first.started_s <= second.started_s <= time.time()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_ends_the_others_at_once(error: type[BaseException]) -> None:
    cancelled, ran = threading.Event(), []

    def execute(submission: Submission) -> None:
        ran.append(submission.label)
        if submission.label == "bad":
            raise error("no")
        assert cancelled.wait(10)

    group = [Submission("good", "q"), Submission("bad", "q"), Submission("late", "q", at_s=60)]
    start = time.perf_counter()
    with pytest.raises(error, match="no"):
        run_together(group, execute, cancelled.set)
    assert time.perf_counter() - start < 30
    assert sorted(ran) == ["bad", "good"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cannot choose processors here")
def test_threads_of_a_block_share_its_processors() -> None:
    before = os.sched_getaffinity(0)
    counts = []
    with processors(1):
        thread = threading.Thread(target=lambda: counts.append(num_processors()))
        thread.start()
        thread.join()
    assert counts == [1]
    assert os.sched_getaffinity(0) == before
    too_many = len(before) + 1
    with pytest.raises(TraceError, match=f"{too_many} processors are wanted"), processors(too_many):
        pytest.fail("not reached")
