"""Simulated against measured latencies on Spark in local mode.

In one session per scheduler mode, rounds of four kinds of runs follow each other, so that a
machine that gets slower or faster is so for all of them: every query alone, to calibrate; a mix of
submissions, to calibrate contention; every query alone; and the mix that is predicted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np

from lsched.validate.data import benchmark_texts, check_limits
from lsched.validate.prediction import Experiment, Prediction
from lsched.validate.profile import (
    ALONE,
    JOB_FIFO,
    Contention,
    Profile,
    contention,
    launch_lag_ms,
    predict,
    to_profile,
)
from traces.capture.spark_groups import SparkRun, SparkSession, SparkSettings, run_spark_groups
from traces.capture.spark_session import check_spark
from traces.capture.together import Submission

Say = Callable[[str], None]
"""Called with a line of text now and then."""
Mode = Literal["FIFO", "FAIR"]
MODES: tuple[Mode, ...] = ("FIFO", "FAIR")
SPARK_RULES: dict[Mode, str] = {"FIFO": JOB_FIFO, "FAIR": "fair"}
"""The rule that orders tasks as Spark does in each mode."""
TASKS, PROFILES = "tasks alone", "profiles"
CONTENDED, REPLAY = "profiles × contention", "replay"
"""Models: what simulated times come from."""
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
    warm_ups: int = 3
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
class ModeResult:
    """What one scheduler mode of Spark gave.

    Attributes:
        mode: ``spark.scheduler.mode``.
        version: Spark's.
        contention: as measured in the mix for calibration.
        driver_share: share of isolated latencies in which the driver kept the next stage waiting.
        experiments: predictions, of runs alone first.
    """

    mode: Mode
    version: str
    contention: Contention
    driver_share: float
    experiments: tuple[Experiment, ...]


def validate_spark(
    plan: SparkPlan,
    modes: Sequence[Mode] = MODES,
    directory: Path | None = None,
    progress: Say | None = None,
) -> list[ModeResult]:
    """Run TPC-H queries on Spark in each scheduler mode, and predict their latencies.

    Args:
        plan: what is to be run.
        modes: scheduler modes, each in a session of its own.
        directory: where TPC-H's data goes, and is reused from; None: a temporary one.
        progress: called with a line of text now and then.

    Raises:
        TraceError: PySpark, Java, DuckDB or its extension is missing, or a query fails.
        OptionError: no such query.
    """
    check_spark()
    groups = _Groups(plan)
    with tempfile.TemporaryDirectory(prefix="lsched-") as scratch:
        texts, tables = benchmark_texts(
            plan.scale_factor, plan.queries, directory or Path(scratch), progress
        )
        results = []
        for mode in modes:
            settings = SparkSettings(
                scheduler=mode,
                cores=plan.cores,
                memory_gb=plan.memory_gb,
                is_adaptive=plan.is_adaptive,
                shuffle_partitions=2 * plan.cores,
            )
            say = _prefixed(progress, mode)
            session = run_spark_groups(tables, texts, groups.submissions, settings, say)
            results.append(evaluate(plan, mode, groups.sorted(session), session.version))
    return results


def _prefixed(progress: Say | None, mode: Mode) -> Say | None:
    return None if progress is None else lambda line: progress(f"{mode}: {line}")


@dataclass(frozen=True)
class Round:
    """The runs of one round: two of each query alone, and two mixes."""

    calibration: tuple[SparkRun, ...]
    calibration_mix: tuple[SparkRun, ...]
    alone: tuple[SparkRun, ...]
    mix: tuple[SparkRun, ...]


class _Groups:
    """The groups of a session, in order: warm-ups, then rounds.

    Attributes:
        submissions: one list per group.
    """

    def __init__(self, plan: SparkPlan) -> None:
        self._num_warm_ups = plan.warm_ups * len(plan.queries)
        self._num_queries, self._repeats = len(plan.queries), plan.repeats
        alone = [[Submission(query, query)] for query in plan.queries]
        first, second = (_mix(plan, seed) for seed in np.random.SeedSequence(plan.seed).spawn(2))
        self.submissions: list[list[Submission]] = alone * plan.warm_ups
        for _ in range(plan.repeats):
            self.submissions += [*alone, first, *alone, second]

    def sorted(self, session: SparkSession) -> list[Round]:
        """The runs of the session's groups by round and kind."""
        groups: Iterator[tuple[SparkRun, ...]] = iter(session.groups[self._num_warm_ups :])

        def take_alone() -> tuple[SparkRun, ...]:
            return tuple(next(groups)[0] for _ in range(self._num_queries))

        return [
            Round(take_alone(), next(groups), take_alone(), next(groups))
            for _ in range(self._repeats)
        ]


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


def evaluate(plan: SparkPlan, mode: Mode, rounds: Sequence[Round], version: str) -> ModeResult:
    """Predict what was measured.

    Runs alone and mixes are predicted from the profiles of each round's calibration, and the median
    of these predictions counts, as the median of the measured latencies does. A replay predicts
    each mix from the profiles of its own runs.

    Args:
        plan: what was run.
        mode: Spark's scheduler mode.
        rounds: the runs, at least one round.
        version: Spark's.
    """
    lag_ms = launch_lag_ms(run for each in rounds for run in each.calibration)
    profiles = [
        {run.timing.submission.query: to_profile(run, lag_ms) for run in each.calibration}
        for each in rounds
    ]
    by_query = {name: [known[name] for known in profiles] for name in profiles[0]}
    mixed = [to_profile(run, lag_ms) for each in rounds for run in each.calibration_mix]
    slower = contention(by_query, mixed)
    rule = mode.lower()

    def shared(
        model: str, factors: Contention = ALONE, rule: str = rule, *, has_driver: bool = True
    ) -> Experiment:
        mix = rounds[0].mix
        names = [run.timing.submission.query for run in mix]
        arrivals_s = [run.timing.submission.at_s for run in mix]
        drawn = [
            predict(
                [known[name] for name in names],
                arrivals_s,
                rule,
                plan.cores,
                factors,
                has_driver=has_driver,
            )
            for known in profiles
        ]
        latencies_s = [median(values) for values in zip(*drawn, strict=True)]
        ends_s = [at + latency for at, latency in zip(arrivals_s, latencies_s, strict=True)]
        predictions = tuple(
            Prediction(
                run.timing.submission.label,
                run.timing.submission.query,
                run.timing.submission.at_s,
                tuple(each.mix[place].timing.latency_s for each in rounds),
                latencies_s[place],
            )
            for place, run in enumerate(mix)
        )
        makespan_s = median(_makespan_s(each.mix) for each in rounds)
        return Experiment("shared", rule, model, predictions, ((makespan_s, max(ends_s)),))

    experiments = [
        _alone(plan, rule, rounds, profiles),
        shared(TASKS, has_driver=False),
        shared(PROFILES),
        shared(CONTENDED, slower),
        _replay(plan, rule, rounds, lag_ms),
    ]
    if mode == "FIFO":
        experiments.insert(-1, shared(CONTENDED, slower, JOB_FIFO))
        experiments.append(_replay(plan, JOB_FIFO, rounds, lag_ms))
    return ModeResult(mode, version, slower, _driver_share(rounds, by_query), tuple(experiments))


def _alone(
    plan: SparkPlan,
    rule: str,
    rounds: Sequence[Round],
    profiles: Sequence[Mapping[str, Profile]],
) -> Experiment:
    predictions = []
    for place, name in enumerate(plan.queries):
        drawn = [predict([known[name]], [0.0], rule, plan.cores)[0] for known in profiles]
        measured_s = tuple(each.alone[place].timing.latency_s for each in rounds)
        predictions.append(Prediction(name, name, 0.0, measured_s, median(drawn)))
    return Experiment("alone", rule, PROFILES, tuple(predictions))


def _replay(plan: SparkPlan, rule: str, rounds: Sequence[Round], lag_ms: float) -> Experiment:
    """Each mix by the times of its own tasks and of its own driver."""
    predictions, makespans_s = [], []
    for number, each in enumerate(rounds):
        timings = [run.timing for run in each.mix]
        arrivals_s = [timing.arrival_s for timing in timings]
        own = [to_profile(run, lag_ms) for run in each.mix]
        latencies_s = predict(own, arrivals_s, rule, plan.cores)
        for timing, latency_s in zip(timings, latencies_s, strict=True):
            submission = timing.submission
            label = f"{submission.label}, round {number}"
            predictions.append(
                Prediction(
                    label, submission.query, timing.arrival_s, (timing.latency_s,), latency_s
                )
            )
        ends_s = [at + latency for at, latency in zip(arrivals_s, latencies_s, strict=True)]
        makespans_s.append((_makespan_s(each.mix), max(ends_s) - min(arrivals_s)))
    return Experiment("shared", rule, REPLAY, tuple(predictions), tuple(makespans_s))


def _makespan_s(runs: Sequence[SparkRun]) -> float:
    ends_s = [run.timing.arrival_s + run.timing.latency_s for run in runs]
    return max(ends_s) - min(run.timing.arrival_s for run in runs)


def _driver_share(rounds: Sequence[Round], profiles: Mapping[str, Sequence[Profile]]) -> float:
    """Of the runs alone for calibration: what the driver adds to the time of their stages."""
    with_driver_s = without_s = 0.0
    for known in profiles.values():
        for profile in known:
            with_driver_s += predict([profile], [0.0], "fifo", 1000)[0]
            without_s += predict([profile], [0.0], "fifo", 1000, has_driver=False)[0]
    return 1.0 - without_s / with_driver_s
