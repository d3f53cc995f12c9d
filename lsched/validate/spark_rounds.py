"""What is run on Spark to hold the simulator against it: warm-ups, then rounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lsched.validate.data import check_limits
from traces.capture.spark_groups import SparkRun, SparkSession
from traces.capture.together import Submission

QUERIES = ("q1", "q3", "q5", "q6", "q10", "q12", "q18")
"""Run if no others are named: scans, joins of two to six tables, a large aggregation."""


@dataclass(frozen=True, kw_only=True)
class SparkPlan:
    """What is to be run.

    Attributes:
        scale_factor: size of TPC-H's data, about GB.
        queries: names of its queries.
        cores: tasks that run at once.
        num_submissions: queries in a mix.
        interval_s: mean time between two submissions of a mix, exponential; 0: all at once.
        repeats: rounds.
        warm_ups: executions of each query before the first round.
        seed: for the order and the times of submissions.
        is_adaptive: adaptive query execution.
        memory_gb: largest heap of Spark's Java machine.
    """

    scale_factor: float = 0.2
    queries: tuple[str, ...] = QUERIES
    cores: int = 2
    num_submissions: int = 8
    interval_s: float = 0.5
    repeats: int = 3
    warm_ups: int = 4
    seed: int = 0
    is_adaptive: bool = False
    memory_gb: int = 4

    def __post_init__(self) -> None:
        check_limits(
            self,
            scale_factor=(0.001, 1000),
            cores=(1, 1024),
            num_submissions=(2, 1000),
            interval_s=(0, 3600),
            repeats=(1, 100),
            warm_ups=(0, 100),
            seed=(0, 2**32 - 1),
            memory_gb=(1, 1024),
        )


@dataclass(frozen=True)
class Round:
    """The runs of one round: two of each query alone, and two mixes."""

    calibration: tuple[SparkRun, ...]
    calibration_mix: tuple[SparkRun, ...]
    alone: tuple[SparkRun, ...]
    mix: tuple[SparkRun, ...]


class Groups:
    """The groups of a session, in order: warm-ups, then rounds.

    Attributes:
        submissions: one list per group.
    """

    def __init__(self, plan: SparkPlan) -> None:
        self._num_warm_ups = plan.warm_ups * len(plan.queries)
        self._num_queries, self._repeats = len(plan.queries), plan.repeats
        alone = [[Submission(query, query)] for query in plan.queries]
        seeds = np.random.SeedSequence(plan.seed).spawn(2)
        calibration, mix = (_mix(plan, seed) for seed in seeds)
        self.submissions: list[list[Submission]] = alone * plan.warm_ups
        for number in range(plan.repeats):
            halves = ([*alone, calibration], [*alone, mix])
            for half in halves if _is_calibrated_first(number) else reversed(halves):
                self.submissions += half

    def sorted(self, session: SparkSession) -> list[Round]:
        """The runs of the session's groups by round and kind."""
        groups: Iterator[tuple[SparkRun, ...]] = iter(session.groups[self._num_warm_ups :])
        rounds = []
        for number in range(self._repeats):
            halves = []
            for _ in range(2):
                alone = tuple(next(groups)[0] for _ in range(self._num_queries))
                halves.append((alone, next(groups)))
            calibration, mix = halves if _is_calibrated_first(number) else reversed(halves)
            rounds.append(Round(*calibration, *mix))
        return rounds


def _is_calibrated_first(number: int) -> bool:
    """Whether a round begins with its calibration: every other one, as engines keep warming up."""
    return number % 2 == 0


def _mix(plan: SparkPlan, seed: np.random.SeedSequence) -> list[Submission]:
    """Submissions in random order, every query as often as any other, ± 1."""
    random = np.random.default_rng(seed)
    names: list[str] = []
    while len(names) < plan.num_submissions:
        names += [plan.queries[index] for index in random.permutation(len(plan.queries))]
    gaps_s = random.exponential(plan.interval_s, plan.num_submissions - 1)
    times_s = [0.0, *np.cumsum(gaps_s).tolist()]
    pairs = zip(times_s, names[: plan.num_submissions], strict=True)
    return [Submission(f"{place} {name}", name, at_s) for place, (at_s, name) in enumerate(pairs)]
