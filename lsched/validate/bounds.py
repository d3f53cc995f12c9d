"""How tight the lower bounds are: against the optimum of tiny traces, and against the best rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lsched.arrivals import Arrivals
from lsched.compare import Case, compare
from lsched.executor import Executor
from lsched.runner import Progress
from lsched.validate.instances import tiny_instance
from lsched.validate.optimum import optimum
from lsched.validate.replay import replay
from sim import Cluster, lower_bounds
from sim.bounds import BOUNDS, Method

MAKESPAN = "makespan"
RULES = (
    "fair",
    "srpt:size=history+share=2",
    "oracle-srpt",
    "oracle-srpt:share=2",
)
"""Schedulers of which the best counts. The limit knows the future, so clairvoyant ones may too."""


@dataclass(frozen=True, slots=True)
class Tightness:
    """Bound ÷ optimum over tiny instances.

    Attributes:
        name: of the bound: one of ``BOUNDS``, or ``makespan``.
        ratios: one per instance. Shapes: [instances].
    """

    name: str
    ratios: np.ndarray

    @property
    def share_exact(self) -> float:
        """Share of instances where the bound is the optimum."""
        return float(np.mean(self.ratios > 1.0 - 1e-9))

    @property
    def figures(self) -> dict[str, float]:
        """Least, median and mean ratio, and the share that is exact."""
        return {
            "min": float(self.ratios.min()),
            "median": float(np.median(self.ratios)),
            "mean": float(self.ratios.mean()),
            "share_exact": self.share_exact,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """Bounds against optima.

    Attributes:
        tightness: by bound.
        num_instances: how many were solved.
        num_replayed: of how many the simulator reached the optimum with the optimum's decisions.
        num_violations: how often a bound was above the optimum: must be 0.
    """

    tightness: Sequence[Tightness]
    num_instances: int
    num_replayed: int
    num_violations: int


def check_tiny(num_instances: int, seed: int = 0, progress: Progress | None = None) -> Check:
    """Solve random tiny traces exactly, and compare.

    Args:
        num_instances: how many to draw.
        seed: of the drawing.
        progress: called after each.
    """
    ratios: dict[str, list[float]] = {name: [] for name in (*BOUNDS, MAKESPAN)}
    num_replayed = 0
    for index, random in enumerate(np.random.default_rng(seed).spawn(num_instances)):
        trace, num_executors = tiny_instance(random)
        bounds = lower_bounds(trace, Cluster(executors_per_node=num_executors), method="lp")
        best = optimum(trace, num_executors)
        last = optimum(trace, num_executors, "makespan")
        mean_s = best.value_us / trace.num_queries / 1e6
        makespan_s = (last.value_us - trace.queries[0].arrival_us) / 1e6
        for name, bound_s in bounds.means_s.items():
            ratios[name].append(bound_s / mean_s)
        ratios[MAKESPAN].append(bounds.makespan_s / makespan_s)
        reached = replay(trace, num_executors, best).summary()["mean_latency_s"]
        reached_last = replay(trace, num_executors, last).summary()["makespan_s"]
        num_replayed += bool(np.allclose((reached, reached_last), (mean_s, makespan_s), atol=0.0))
        if progress is not None:
            progress(index + 1, num_instances)
    tightness = [Tightness(name, np.array(values)) for name, values in ratios.items()]
    num_violations = sum(int((each.ratios > 1.0 + 1e-9).sum()) for each in tightness)
    return Check(tightness, num_instances, num_replayed, num_violations)


def check_traces(
    traces: Sequence[str],
    clusters: Mapping[str, str | Cluster],
    loads: Sequence[float],
    *,
    num_queries: int,
    scale: float,
    seeds: Sequence[int],
    method: Method,
    workers: int | Executor = 1,
    progress: Progress | None = None,
) -> dict[str, tuple[Case, ...]]:
    """The limit against ``RULES`` on traces that are too large to solve; by cluster."""
    arrivals = [Arrivals(load=load, num_queries=num_queries, scale=scale) for load in loads]
    return {
        name: compare(
            traces,
            RULES,
            cluster=cluster,
            arrivals=arrivals,
            seeds=seeds,
            bounds=method,
            workers=workers,
            progress=progress,
        ).cases
        for name, cluster in clusters.items()
    }
