"""What a policy is trained on: cases, and the queries that a seed stands for in each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from lsched.arrivals import Arrivals
from sim import Cluster, Result
from traces import Trace
from traces.split import SEEDS

NUM_GENERATED = 8
"""Of each part, training and validation: each has windows enough."""
Objective = Literal["mean", "tail", "slowdown"]


@dataclass(frozen=True)
class Case:
    """A trace, a cluster and a way in which queries arrive.

    Attributes:
        trace: plans, and queries where they are replayed.
        cluster: what runs them.
        arrivals: how they arrive; what is replayed should be the training part of a trace.
        window: of what is replayed, or generated anew, so many queries one after another make a
            run.
    """

    trace: Trace
    cluster: Cluster
    arrivals: Arrivals
    window: int = 400

    def run_of(self, seed: int, share: float = 1.0) -> Trace:
        """The queries of a seed.

        Args:
            seed: draws them, and says where a window begins. Of generated traces there are as many
                as ``NUM_GENERATED`` says.
            share: of the queries, from the first.
        """
        run = self.arrivals.of(self.trace, self.cluster, self._drawn_by(seed))
        queries = run.queries
        if self.arrivals.has_own_times and len(queries) > self.window:
            last = len(queries) - self.window
            first = int(np.random.default_rng(seed).integers(last + 1))
            queries = queries[first : first + self.window]
        count = max(1, math.ceil(share * len(queries)))
        return msgspec.structs.replace(run, queries=queries[:count])

    def _drawn_by(self, seed: int) -> int:
        """The seed of what a seed's window is of."""
        if not self.arrivals.is_redrawn:
            return seed
        first = next(seeds.start for seeds in SEEDS.values() if seed in seeds)
        return first + (seed - first) % NUM_GENERATED


def cost_of(result: Result, objective: Objective) -> float:
    """What training makes small, of one run.

    ``mean``: mean latency; ``tail``: the mean of mean, 95th and 99th percentile; ``slowdown``: mean
    slowdown.
    """
    if objective == "slowdown":
        return float(np.mean([query.slowdown for query in result.queries]))
    latencies_s = np.array([query.latency_s for query in result.queries])
    if objective == "mean":
        return float(latencies_s.mean())
    return float(np.mean([latencies_s.mean(), *np.percentile(latencies_s, [95, 99])]))


def mean_ratio(costs: Sequence[float], others: Sequence[float]) -> float:
    """The geometric mean of ratios."""
    return math.exp(float(np.mean(np.log(costs) - np.log(others))))
