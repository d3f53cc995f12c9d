"""Simulated against measured latencies on DuckDB, with several queries at once on one instance.

How DuckDB 1.5 shares processors: each connection's own thread works on its query alone; the
instance's further threads take pipelines' tasks from one queue and keep a task until its pipeline
has no more to do (``scheduler_process_partial`` is off). More runnable threads than processors are
time-shared by the operating system, in slices of a few milliseconds. So a query always makes
progress, whatever else runs: the rule that stands for it is equal shares of time, ``SHARING``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

import sim
from lsched.errors import OptionError
from lsched.validate.data import benchmark_texts, check_limits
from lsched.validate.duckdb_model import (
    RULES,
    SHARING,
    Profiles,
    contention,
    interference,
    joined,
    plain_cluster,
    predict,
    to_profiles,
)
from lsched.validate.prediction import Experiment, Prediction
from traces.capture.duckdb import measure_benchmark
from traces.capture.duckdb_groups import Instance, num_processors
from traces.capture.together import Submission, Timing
from traces.errors import TraceError
from traces.output import temporary_directory

Say = Callable[[str], None]
"""Called with a line of text now and then."""
QUERIES = ("q1", "q3", "q5", "q6", "q9", "q13", "q18", "q21")
"""Run if no others are named: scans, joins of two to six tables, large aggregations."""
MAX_AT_ONCE = 64
PLAIN, CALIBRATED = "profiles", "profiles, σ and γ"
"""Models: what simulated times come from."""
Group = list[Submission]
Timings = list[list[Timing]]
"""Timings by group and submission."""


@dataclass(frozen=True, kw_only=True)
class DuckdbPlan:
    """What is to be run.

    Attributes:
        scale_factor: size of TPC-H's data, about GB.
        queries: names of its queries.
        threads: DuckDB's setting ``threads``, one experiment each, on as many processors.
        concurrency: queries at once, one experiment each.
        repeats: how often each group of queries runs.
        seed: for which queries run together.
    """

    scale_factor: float = 1.0
    queries: tuple[str, ...] = QUERIES
    threads: tuple[int, ...] = (1, 2)
    concurrency: tuple[int, ...] = (1, 2, 4)
    repeats: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        check_limits(self, scale_factor=(0.001, 1000), repeats=(1, 100), seed=(0, 2**32 - 1))
        for name in ("threads", "concurrency"):
            values = getattr(self, name)
            is_fine = values and len(set(values)) == len(values)
            if not is_fine or not all(1 <= value <= MAX_AT_ONCE for value in values):
                raise OptionError(
                    f"{name} is {','.join(map(str, values)) or 'empty'}, expected different "
                    f"numbers from 1 to {MAX_AT_ONCE}"
                )


@dataclass(frozen=True)
class ThreadsResult:
    """What one number of threads gave.

    Attributes:
        num_threads: DuckDB's setting, and the number of processors.
        interference, contention: γ and σ of the simulated cluster, as calibrated; 0 for one thread.
        experiments: predictions, in the order of ``DuckdbPlan.concurrency``.
    """

    num_threads: int
    interference: float
    contention: float
    experiments: tuple[Experiment, ...]


def validate_duckdb(
    plan: DuckdbPlan, directory: Path | None = None, progress: Say | None = None
) -> list[ThreadsResult]:
    """Run groups of TPC-H queries on DuckDB, and predict their latencies.

    Args:
        plan: what is to be run.
        directory: where TPC-H's data goes, and is reused from; None: a temporary one.
        progress: called with a line of text now and then.

    Raises:
        TraceError: DuckDB or its extension is missing, a query fails, or there are too few
            processors.
        OptionError: no such query.
    """
    if max(plan.threads) > num_processors():
        raise TraceError(
            f"{max(plan.threads)} threads are wanted, but this process may use "
            f"{num_processors()} processors; choose --threads up to that"
        )
    say = progress or (lambda _: None)
    with temporary_directory() as scratch, ExitStack() as stack:
        data = directory or scratch
        texts, tables = benchmark_texts(plan.scale_factor, plan.queries, data, progress)

        def opener(num_cpus: int) -> Callable[[int], Instance]:
            return lambda num_threads: stack.enter_context(
                Instance(tables, texts, num_threads, num_cpus, scratch)
            )

        benches = [Bench(plan, count, opener(count)) for count in plan.threads]
        captures = []
        for number in range(plan.repeats):  # so that a machine's slow spells meet all kinds of runs
            # Of two executions the first warms up.
            captures.append(
                measure_benchmark("tpch", plan.scale_factor, 2, data, only=plan.queries)
            )
            for bench in benches:
                bench.run_round()
            say(f"DuckDB, round {number + 1} of {plan.repeats}")
        profiles = to_profiles(joined(captures))
    return [evaluate(plan, bench.num_threads, bench.measured, profiles) for bench in benches]


@dataclass(frozen=True)
class Measured:
    """What was measured with one number of threads; one entry per repeat.

    Attributes:
        groups: timings of the groups, by concurrency, in the order of ``DuckdbPlan.concurrency``.
        single: every query alone with one thread, for calibration, as the next two.
        copies: as many copies of every query as there are threads, each with one thread.
        alone: every query alone with all threads.
    """

    groups: list[list[Timings]]
    single: list[Timings]
    copies: list[Timings]
    alone: list[Timings]


class Bench:
    """Runs with one number of threads, round by round.

    Args:
        plan: what is to be run.
        num_threads: DuckDB's setting, and the number of processors.
        instance: opens an instance with a number of threads on these processors.

    Attributes:
        num_threads: as given.
        measured: what has been measured so far.
    """

    def __init__(
        self, plan: DuckdbPlan, num_threads: int, instance: Callable[[int], Instance]
    ) -> None:
        self.num_threads = num_threads
        self.measured = Measured([], [], [], [])
        self._plan = plan
        self._alone = [[Submission(query, query)] for query in plan.queries]
        self._full = instance(num_threads)
        self._full.run(self._alone)  # warms up
        if num_threads > 1:
            self._lone = instance(1)
            self._lone.run(self._alone)

    def run_round(self) -> None:
        """Run every group once."""
        measured, plan = self.measured, self._plan
        if self.num_threads > 1:
            copies = [
                [Submission(f"{query}, copy {copy}", query) for copy in range(self.num_threads)]
                for query in plan.queries
            ]
            measured.single.append(self._lone.run(self._alone))
            measured.copies.append(self._lone.run(copies))
            measured.alone.append(self._full.run(self._alone))
        measured.groups.append([self._full.run(groups(plan, count)) for count in plan.concurrency])


def groups(plan: DuckdbPlan, count: int) -> list[Group]:
    """Groups of ``count`` queries in random order; each query once, a few again in the last."""
    random = np.random.default_rng([plan.seed, count])
    wanted = -(-len(plan.queries) // count) * count
    names: list[str] = []
    while len(names) < wanted:
        names += [plan.queries[index] for index in random.permutation(len(plan.queries))]
    return [
        [
            Submission(f"{first // count}.{place} {name}", name)
            for place, name in enumerate(names[first : first + count])
        ]
        for first in range(0, wanted, count)
    ]


def evaluate(
    plan: DuckdbPlan, num_threads: int, measured: Measured, profiles: Profiles
) -> ThreadsResult:
    """Predict what was measured with one number of threads."""
    plain = plain_cluster(num_threads)
    cluster = plain if num_threads == 1 else _calibrated(plan, measured, profiles, plain)
    experiments = []
    for place, count in enumerate(plan.concurrency):
        # By group, then by repeat.
        timings = list(zip(*(repeat[place] for repeat in measured.groups), strict=True))
        runs = "alone" if count == 1 else f"{count} at once"
        rules = RULES if count > 1 else (SHARING,)  # alone, all are the same
        if num_threads > 1:
            experiments.append(_experiment(runs, PLAIN, timings, profiles, plain, SHARING))
        for rule in rules:
            model = PLAIN if num_threads == 1 else CALIBRATED
            experiments.append(_experiment(runs, model, timings, profiles, cluster, rule))
    return ThreadsResult(num_threads, cluster.interference, cluster.contention, tuple(experiments))


def _experiment(
    runs: str,
    model: str,
    timings: Sequence[Sequence[Sequence[Timing]]],
    profiles: Profiles,
    cluster: sim.Cluster,
    rule: str,
) -> Experiment:
    """``timings`` by group, repeat and submission."""
    predictions, makespans_s = [], []
    for repeats in timings:
        submissions = [timing.submission for timing in repeats[0]]
        predicted_s = predict([each.query for each in submissions], profiles, cluster, rule)
        for place, submission in enumerate(submissions):
            latencies_s = tuple(group[place].latency_s for group in repeats)
            predictions.append(
                Prediction(submission.label, submission.query, 0.0, latencies_s, predicted_s[place])
            )
        ends_s = [max(timing.arrival_s + timing.latency_s for timing in group) for group in repeats]
        makespans_s.append((median(ends_s), max(predicted_s)))
    return Experiment(runs, RULES[rule], model, tuple(predictions), tuple(makespans_s))


def _calibrated(
    plan: DuckdbPlan, measured: Measured, profiles: Profiles, plain: sim.Cluster
) -> sim.Cluster:
    """The cluster with interference and contention as measured in runs for that purpose alone.

    γ: copies of a query that keep all processors busy, each with one thread, against one of them.
    σ: queries alone with all threads, against their simulated latencies with that γ.
    """
    count = plain.num_executors
    slowdown = _total_s(measured.copies) / _total_s(measured.single)
    cluster = plain.replace(interference=interference(profiles, count, slowdown))
    simulated_s = sum(predict([name], profiles, cluster, SHARING)[0] for name in plan.queries)
    slowdown = _total_s(measured.alone) / simulated_s
    return cluster.replace(contention=contention(profiles, count, slowdown))


def _total_s(repeats: Sequence[Timings]) -> float:
    """Sum over groups of the median latency."""
    return math.fsum(
        median(timing.latency_s for group in by_repeat for timing in group)
        for by_repeat in zip(*repeats, strict=True)
    )
