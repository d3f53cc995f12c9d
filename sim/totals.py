"""Figures over completed queries, kept as they complete, so that records need not be kept."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sim.result import QueryRecord

PERCENTILES = (50, 90, 95, 99)


class Totals:
    """Sums over completed queries, and every latency: eight bytes a query.

    Attributes:
        latencies_s: of each query, in order of completion.
        first_arrival_s, last_completion_s: of all queries.
        slowdown, queueing_s, isolated_s, work_s, delay_s, lost_s, num_work_orders: sums over
            queries.
    """

    def __init__(self) -> None:
        self.latencies_s = array("d")
        self.first_arrival_s, self.last_completion_s = math.inf, -math.inf
        self.slowdown = self.queueing_s = self.isolated_s = 0.0
        self.work_s = self.delay_s = self.lost_s = 0.0
        self.num_work_orders = 0

    def add(self, record: QueryRecord) -> None:
        """Count one more query."""
        self.latencies_s.append(record.latency_s)
        self.first_arrival_s = min(self.first_arrival_s, record.arrival_s)
        self.last_completion_s = max(self.last_completion_s, record.completion_s)
        self.slowdown += record.slowdown
        self.queueing_s += record.queueing_s
        self.isolated_s += record.isolated_s
        self.work_s += record.work_s
        self.delay_s += record.delay_s
        self.lost_s += record.lost_s
        self.num_work_orders += record.num_work_orders

    @property
    def num_queries(self) -> int:
        """How many have completed."""
        return len(self.latencies_s)

    @property
    def makespan_s(self) -> float:
        """Last completion − first arrival."""
        return self.last_completion_s - self.first_arrival_s

    @property
    def busy_s(self) -> float:
        """Executor time in use: work, moves and warm-ups, and what was lost."""
        return self.work_s + self.delay_s + self.lost_s

    def latency_figures(self) -> dict[str, float]:
        """Mean and percentiles of latency, seconds."""
        latencies = np.frombuffer(self.latencies_s)
        return {"mean_latency_s": float(latencies.mean()), **percentile_figures(latencies)}


def percentile_figures(latencies_s: np.ndarray) -> dict[str, float]:
    """Percentiles of latencies by the names that figures have, seconds."""
    values = np.percentile(latencies_s, PERCENTILES)
    return {
        f"p{percentile}_latency_s": float(value)
        for percentile, value in zip(PERCENTILES, values, strict=True)
    }
