"""Bound B2: all executors as one machine that is as fast as all of them together.

Any schedule on P executors is also one for a single machine of P times the speed that may be
shared and interrupted. There, shortest remaining processing time has the least sum of latencies.

Source: Schrage, "A proof of the optimality of the shortest remaining processing time discipline",
Operations Research 16 (1968).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

Job = tuple[int, int]
"""Arrival and work, µs."""


def pooled_latencies(jobs: Sequence[Job], num_executors: int) -> list[int]:
    """Latencies under shortest remaining processing time, in units of 1 ÷ ``num_executors`` µs.

    In that unit everything is a whole number, so the result is exact.

    Args:
        jobs: in arrival order.
        num_executors: the machine's speed.
    """
    latencies = [0] * len(jobs)
    waiting: list[tuple[int, int]] = []  # (remaining work, job)
    now = 0
    for index, (arrival_us, work_us) in enumerate(jobs):
        arrival = arrival_us * num_executors
        while waiting and now < arrival:
            remaining, job = waiting[0]
            if now + remaining > arrival:
                heapq.heapreplace(waiting, (remaining - (arrival - now), job))
                break
            now += remaining
            latencies[job] = now - jobs[job][0] * num_executors
            heapq.heappop(waiting)
        now = arrival
        heapq.heappush(waiting, (work_us, index))
    while waiting:
        remaining, job = heapq.heappop(waiting)
        now += remaining
        latencies[job] = now - jobs[job][0] * num_executors
    return latencies


def busy_periods(jobs: Sequence[Job], num_executors: int) -> list[range]:
    """The jobs, in arrival order, that the machine runs without a pause in between."""
    periods, first, end = [], 0, 0
    for index, (arrival_us, work_us) in enumerate(jobs):
        arrival = arrival_us * num_executors
        if arrival >= end and index > first:
            periods.append(range(first, index))
            first = index
        end = max(end, arrival) + work_us
    periods.append(range(first, len(jobs)))
    return periods
