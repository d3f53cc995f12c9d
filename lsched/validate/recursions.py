"""The same arrivals and sizes without the simulator: recursions over queries.

They check a run exactly, or serve as control variates: what happens to these arrivals in a simpler
queue, whose mean is known, tells how lucky they are.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np


def first_come_waits(
    arrivals_us: Sequence[int], sizes_us: Sequence[int], num_executors: int
) -> list[int]:
    """Waiting times, first in first out: a query starts when the first executor is free, µs.

    Source: Kiefer, Wolfowitz, "On the theory of queues with many servers", Transactions of the AMS
    78, 1955; with one executor Lindley's recursion.
    """
    free_us = [0] * num_executors
    waits = []
    for arrival_us, size_us in zip(arrivals_us, sizes_us, strict=True):
        start_us = max(heapq.heappop(free_us), arrival_us)
        heapq.heappush(free_us, start_us + size_us)
        waits.append(start_us - arrival_us)
    return waits


def backlogs(arrivals: np.ndarray, sizes: np.ndarray, speed: float) -> np.ndarray:
    """Waiting times at one executor of a speed, by Lindley's recursion written as sums."""
    ahead = np.concatenate(([0.0], np.cumsum(sizes[:-1] / speed - np.diff(arrivals))))
    return ahead - np.minimum.accumulate(ahead)


def crowds(arrivals: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Queries that each query would meet if there were an executor for everyone."""
    departures = np.sort(arrivals + sizes)
    return np.arange(len(arrivals)) - np.searchsorted(departures, arrivals)
