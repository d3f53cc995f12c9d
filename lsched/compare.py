"""Comparing schedulers on the same arrivals and the same luck, seed by seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from lsched.arrivals import Arrivals
from lsched.errors import OptionError, WorkerError
from lsched.executor import Executor
from lsched.runner import Job, Lost, Progress, Run, Setting, bounds_of, run_all
from lsched.specs import check_engine, check_schedulers, check_seeds, parse_cluster
from lsched.statistics import Ratio, paired_ratio
from sim import PRESETS, Cluster, LowerBounds, Scheduler, make_scheduler
from sim.bounds import METHODS, Method
from sim.engines import EngineName
from sim.totals import percentile_figures
from traces import Trace, load
from traces.errors import did_you_mean

DEFAULT_REFERENCE = "fair"
RATIO_FIGURES = ("mean_latency_s", "p95_latency_s")
"""Figures that are compared with the reference, seed by seed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One scheduler on one case.

    Attributes:
        scheduler: its text, as given.
        is_clairvoyant: whether it sees the true future, so that no real scheduler can be it.
        figures: latency percentiles over all queries of all seeds together; of every other figure
            of ``Result.summary()`` the mean over seeds. Empty where no run is left.
        ratios: by figure, the paired ratio to the reference, over the seeds that both have.
        runs: one per seed that is not lost.
        lost: one per seed whose worker process died.
    """

    scheduler: str
    is_clairvoyant: bool
    figures: Mapping[str, float]
    ratios: Mapping[str, Ratio]
    runs: tuple[Run, ...]
    lost: tuple[Lost, ...] = ()

    @property
    def mean_latency_s(self) -> float:
        """Mean latency over all seeds; NaN where no run is left."""
        return self.figures.get("mean_latency_s", math.nan)

    @property
    def latencies_s(self) -> np.ndarray:
        """Latencies of all queries of all seeds. Shapes: [seeds × queries]."""
        return np.array([query.latency_s for run in self.runs for query in run.queries])


@dataclass(frozen=True, slots=True)
class Case:
    """One trace with one kind of arrivals, under every scheduler.

    Attributes:
        trace: its name; distinct in a comparison.
        arrivals: how queries arrive.
        bounds: by seed, what no scheduler goes below.
        outcomes: by scheduler, in the order given.
    """

    trace: str
    arrivals: Arrivals
    bounds: Mapping[int, LowerBounds]
    outcomes: Mapping[str, Outcome]

    @property
    def lower_bound_s(self) -> float:
        """Mean over seeds of the bound on the mean latency."""
        return float(np.mean([bound.mean_latency_s for bound in self.bounds.values()]))

    @property
    def lower_bounds_s(self) -> np.ndarray:
        """Bounds on single latencies, in increasing order, of all seeds together.

        The k-th lowest latency is at least the k-th of them. Shapes: [seeds × queries].
        """
        return np.sort(np.concatenate([bound.latencies_s for bound in self.bounds.values()]))

    def lower_bound_figures(self) -> dict[str, float]:
        """Bounds by the names that ``Outcome.figures`` has; of the makespan the mean over seeds."""
        return {
            "mean_latency_s": self.lower_bound_s,
            **percentile_figures(self.lower_bounds_s),
            "makespan_s": float(np.mean([bound.makespan_s for bound in self.bounds.values()])),
        }

    @property
    def label(self) -> str:
        """A few words for headings."""
        return f"{self.trace}, {self.arrivals.label}"

    @property
    def ranked(self) -> list[Outcome]:
        """Outcomes from the lowest mean latency to the highest; then those that lack seeds."""
        return sorted(
            self.outcomes.values(),
            key=lambda outcome: (bool(outcome.lost), not outcome.runs, outcome.mean_latency_s),
        )

    @property
    def best(self) -> Outcome:
        """The lowest mean latency, of a scheduler that is not clairvoyant if there is one."""
        ranked = self.ranked
        return next((outcome for outcome in ranked if not outcome.is_clairvoyant), ranked[0])


@dataclass(frozen=True, slots=True)
class Comparison:
    """What ``compare`` found.

    Attributes:
        cases: one per trace and kind of arrivals, traces outermost.
        schedulers: in the order given.
        reference: the scheduler that ratios refer to.
        seeds: the seeds; each is the same arrivals and luck for every scheduler.
        setting: the traces, the cluster, and whether schedulers saw history.
        cluster_name: the preset or text that the cluster came from.
    """

    cases: tuple[Case, ...]
    schedulers: tuple[str, ...]
    reference: str
    seeds: tuple[int, ...]
    setting: Setting
    cluster_name: str

    @property
    def cluster(self) -> Cluster:
        """The cluster that everything ran on."""
        return self.setting.cluster

    @property
    def incomplete(self) -> list[dict[str, object]]:
        """What is missing: ``trace``, ``arrivals``, ``scheduler``, ``seed`` and ``reason``."""
        return [
            {
                "trace": case.trace,
                "arrivals": case.arrivals.label,
                "scheduler": outcome.scheduler,
                "seed": lost.job.seed,
                "reason": lost.reason,
            }
            for case in self.cases
            for outcome in case.outcomes.values()
            for lost in outcome.lost
        ]

    def rows(self) -> list[dict[str, object]]:
        """One flat row per case and scheduler, as for ``pandas.DataFrame``."""
        return [
            {
                "trace": case.trace,
                "arrivals": case.arrivals.label,
                "load": case.arrivals.load,
                "scheduler": outcome.scheduler,
                "is_clairvoyant": outcome.is_clairvoyant,
                "is_complete": not outcome.lost,
                "ratio": outcome.ratios["mean_latency_s"].value,
                "ratio_low": outcome.ratios["mean_latency_s"].low,
                "ratio_high": outcome.ratios["mean_latency_s"].high,
                "lower_bound_s": case.lower_bound_s,
                **outcome.figures,
            }
            for case in self.cases
            for outcome in case.outcomes.values()
        ]


def compare(
    traces: str | Path | Trace | Sequence[str | Path | Trace],
    schedulers: str | type[Scheduler] | Sequence[str | type[Scheduler]],
    *,
    cluster: str | Cluster = "inmemory-32",
    arrivals: Arrivals | Sequence[Arrivals] = Arrivals(),  # noqa: B008  # immutable
    seeds: int | Iterable[int] = 10,
    history: bool = True,
    engine: EngineName | None = None,
    reference: str | None = None,
    bounds: Method = "fast",
    workers: int | Executor = 1,
    progress: Progress | None = None,
) -> Comparison:
    """Run every scheduler on every trace, kind of arrivals and seed.

    Where a worker process dies, its run is missing: see ``Comparison.incomplete``.

    Example:
        >>> from lsched import Arrivals, compare
        >>> comparison = compare("tpch", ["fifo", "fair"], arrivals=Arrivals(load=0.7), seeds=5)
        >>> comparison.cases[0].best.scheduler
        >>> pandas.DataFrame(comparison.rows())

    Args:
        traces: shipped names, paths or traces.
        schedulers: names with parameters, ``path/to/file.py:ClassName``, or classes, which worker
            processes know only if they are in a module.
        cluster: a preset, with changes as in ``parse_cluster``, or a cluster.
        arrivals: how queries arrive; several kinds are several cases.
        seeds: a count (from 0) or the seeds.
        history: whether schedulers see completed runs.
        engine: see ``Simulation``; the results are the same.
        reference: the scheduler that ratios refer to; default ``fair`` if it is there, else the
            first.
        bounds: how lower bounds are worked out, see ``sim.lower_bounds``.
        workers: processes, or an executor: ``RayExecutor``. More than one process need the caller's
            ``if __name__ == "__main__":``.
        progress: called after each run.

    Raises:
        OptionError, ClusterError, TraceError, UnknownScheduler: something given is wrong.
        InvalidSchedule, Stalled, SchedulerError: a run failed; see ``run_all``.
        WorkerError: every run is lost, or no worker process could begin.
    """
    names = check_schedulers([schedulers] if isinstance(schedulers, str | type) else schedulers)
    seed_list = check_seeds(seeds)
    reference = choose_reference(reference, names)
    resolved = parse_cluster(cluster) if isinstance(cluster, str) else cluster
    kinds = _listed("arrivals", arrivals, Arrivals)
    given = _listed("traces", traces, str | Path | Trace)
    _check_type("cluster", resolved, Cluster)
    _check_type("history", history, bool)
    if bounds not in METHODS:
        raise OptionError(f"bounds are {bounds!r}, expected {' or '.join(METHODS)}")
    loaded = [item if isinstance(item, Trace) else load(item) for item in given]
    clairvoyant = {
        name: bool(getattr(make_scheduler(name), "is_clairvoyant", False)) for name in names
    }
    setting = Setting(tuple(loaded), resolved, history, check_engine(engine))
    jobs = [
        Job(trace, kind, name, seed, bounds if name == reference else None)
        for trace in range(len(loaded))
        for kind in kinds
        for name in names
        for seed in seed_list
    ]
    results = run_all(setting, jobs, workers=workers, progress=progress)
    _check_some_ran(setting, results)
    runs = iter(results)
    cases = []
    for label in _trace_labels(given, loaded):
        for kind in kinds:
            by_name = {name: tuple(next(runs) for _ in seed_list) for name in names}
            limits = {
                seed: _limits(setting, result)
                for seed, result in zip(seed_list, by_name[reference], strict=True)
            }
            outcomes = _outcomes(by_name, reference, clairvoyant)
            cases.append(Case(label, kind, limits, outcomes))
    cluster_name = cluster if isinstance(cluster, str) else _cluster_name(cluster)
    return Comparison(tuple(cases), names, reference, seed_list, setting, cluster_name)


def choose_reference(given: str | None, schedulers: Sequence[str]) -> str:
    """The scheduler that ratios refer to.

    Raises:
        OptionError: the one given is not compared.
    """
    if given is None:
        return DEFAULT_REFERENCE if DEFAULT_REFERENCE in schedulers else schedulers[0]
    if given not in schedulers:
        raise OptionError(
            f"reference {given!r} is not one of the schedulers ({', '.join(schedulers)})"
            + did_you_mean(given, schedulers)
        )
    return given


def _listed(what: str, given: Any, kind: Any) -> list[Any]:
    """One or several values of a kind as a list."""
    values = list(given) if isinstance(given, Iterable) and not isinstance(given, kind) else [given]
    for value in values:
        _check_type(what, value, kind)
    if not values:
        raise OptionError(f"no {what}, expected at least one")
    return values


def _check_type(what: str, value: object, kind: Any) -> None:
    if not isinstance(value, kind):
        kinds = " or ".join(each.__name__ for each in get_args(kind) or (kind,))
        raise OptionError(f"{what}: {value!r} is not of type {kinds}")


def _check_some_ran(setting: Setting, results: Sequence[Run | Lost]) -> None:
    lost = [result for result in results if isinstance(result, Lost)]
    if len(lost) == len(results):
        job = lost[0].job
        raise WorkerError(
            f"no run completed; the first: trace {setting.traces[job.trace].name!r}, scheduler "
            f"{job.scheduler!r}, seed {job.seed}: {lost[0].reason}"
        )


def _limits(setting: Setting, result: Run | Lost) -> LowerBounds:
    """The lower bounds that came with a run; worked out here where it is lost."""
    if isinstance(result, Lost):
        assert result.job.bounds is not None
        return bounds_of(setting, result.job, result.job.bounds)
    assert result.bounds is not None
    return result.bounds


def _outcomes(
    results: Mapping[str, tuple[Run | Lost, ...]],
    reference: str,
    clairvoyant: Mapping[str, bool],
) -> dict[str, Outcome]:
    by_name = {
        name: tuple(result for result in of_seeds if isinstance(result, Run))
        for name, of_seeds in results.items()
    }
    return {
        name: Outcome(
            scheduler=name,
            is_clairvoyant=clairvoyant[name],
            figures=_figures(runs),
            ratios={figure: _ratio(figure, runs, by_name[reference]) for figure in RATIO_FIGURES},
            runs=runs,
            lost=tuple(result for result in results[name] if isinstance(result, Lost)),
        )
        for name, runs in by_name.items()
    }


def _ratio(figure: str, runs: Sequence[Run], references: Sequence[Run]) -> Ratio:
    """Over the seeds that both have."""
    values = {run.seed: run.summary[figure] for run in runs}
    others = {run.seed: run.summary[figure] for run in references}
    seeds = [seed for seed in values if seed in others]
    if not seeds:
        return Ratio(math.nan)
    return paired_ratio([values[seed] for seed in seeds], [others[seed] for seed in seeds])


def _figures(runs: Sequence[Run]) -> dict[str, float]:
    if not runs:
        return {}
    figures = {key: float(np.mean([run.summary[key] for run in runs])) for key in runs[0].summary}
    latencies = np.array([query.latency_s for run in runs for query in run.queries])
    return {**figures, **percentile_figures(latencies)}


def _trace_labels(given: Sequence[str | Path | Trace], loaded: Sequence[Trace]) -> list[str]:
    """The traces' names; where two are called the same, the file's name or a number instead."""
    names = [trace.name for trace in loaded]
    labels: list[str] = []
    for index, (item, name) in enumerate(zip(given, names, strict=True)):
        label = name
        if names.count(name) > 1 and not isinstance(item, Trace):
            label = Path(item).name.split(".")[0]
        labels.append(f"{label}-{index}" if label in labels else label)
    return labels


def _cluster_name(cluster: Cluster) -> str:
    return next((name for name, known in PRESETS.items() if known == cluster), "custom")
