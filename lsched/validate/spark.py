"""Simulated against measured latencies on Spark in local mode.

In one session per scheduler mode, rounds have two halves: every query alone and a mix of
submissions, to calibrate; and every query alone and another mix, to be predicted. Every other
round has them the other way round, so that what makes a machine or Java slower or faster with time
meets both alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from lsched.validate.data import benchmark_texts
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
from lsched.validate.spark_rounds import Groups, Round, SparkPlan
from traces.capture.spark_groups import SparkRun, SparkSettings, run_spark_groups
from traces.capture.spark_session import check_spark
from traces.output import temporary_directory

Say = Callable[[str], None]
"""Called with a line of text now and then."""
Mode = Literal["FIFO", "FAIR"]
MODES: tuple[Mode, ...] = ("FIFO", "FAIR")
SPARK_RULES: dict[Mode, str] = {"FIFO": JOB_FIFO, "FAIR": "fair"}
"""The rule that orders tasks as Spark does in each mode."""
TASKS, PROFILES = "tasks alone", "profiles"
CONTENDED, REPLAY = "profiles × contention", "replay"
"""Models: what simulated times come from."""


@dataclass(frozen=True)
class ModeResult:
    """What one scheduler mode of Spark gave.

    Attributes:
        mode: ``spark.scheduler.mode``.
        version: Spark's.
        contention: as measured in the mix for calibration.
        driver_share: how much shorter runs alone would be if the driver took no time.
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
    groups = Groups(plan)
    with temporary_directory() as scratch:
        texts, tables = benchmark_texts(
            plan.scale_factor, plan.queries, directory or scratch, progress
        )
        results = []
        for mode in modes:
            session = run_spark_groups(
                tables, texts, groups.submissions, settings(plan, mode), _prefixed(progress, mode)
            )
            results.append(evaluate(plan, mode, groups.sorted(session), session.version))
    return results


def settings(plan: SparkPlan, mode: Mode) -> SparkSettings:
    """How Spark is run in a scheduler mode."""
    return SparkSettings(
        scheduler=mode,
        cores=plan.cores,
        memory_gb=plan.memory_gb,
        is_adaptive=plan.is_adaptive,
        shuffle_partitions=2 * plan.cores,
    )


def _prefixed(progress: Say | None, mode: Mode) -> Say | None:
    return None if progress is None else lambda line: progress(f"{mode}: {line}")


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
    return ModeResult(mode, version, slower, _driver_share(plan, by_query), tuple(experiments))


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


def _driver_share(plan: SparkPlan, profiles: Mapping[str, Sequence[Profile]]) -> float:
    """Of runs alone: how much shorter they would be if the driver took no time."""

    def total_s(*, has_driver: bool) -> float:
        return sum(
            predict([profile], [0.0], "fifo", plan.cores, has_driver=has_driver)[0]
            for known in profiles.values()
            for profile in known
        )

    return 1.0 - total_s(has_driver=False) / total_s(has_driver=True)
