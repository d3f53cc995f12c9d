"""The best parameters of a scheduler, by grid search on training seeds.

A learned scheduler is worth something only against rules at their best, and parameters that were
chosen on the queries of a comparison would make them look better than they are. So the default
seeds and the default part of a replayed trace are those for training (``traces.split``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lsched.arrivals import Arrivals
from lsched.compare import Comparison, compare
from lsched.errors import OptionError, WorkerError, missing_runs
from lsched.executor import Executor
from lsched.runner import Progress
from lsched.specs import check_schedulers, grid_specs
from sim import Cluster, make_scheduler
from sim.engines import EngineName
from sim.registry import split_text
from traces import Trace, part_seeds
from traces.errors import did_you_mean

TRAINING_SEEDS = part_seeds("training", 10)
OBJECTIVES = ("mean_latency_s", "p95_latency_s", "mean_slowdown")
MAX_CANDIDATES = 1000

Grid = Mapping[str, Sequence[object]]

SIZES = ("estimate", "observed", "history")
SHARES = (0.1, 0.5, 1.0, 2.0, 4.0)
GRIDS: dict[str, Grid] = {
    "fifo": {"memory": ("ignore", "gate"), "pipeline": ("always", "never", "best")},
    "fair": {"spare": ("share", "idle"), "held": ("give", "keep"), "memory": ("ignore", "gate")},
    "weighted-fair": {"alpha": (-2.0, -1.0, -0.5, 0.5, 1.0), "size": SIZES},
    "sjf": {"size": SIZES, "memory": ("ignore", "gate")},
    "srpt": {
        "size": SIZES,
        "share": SHARES,
        "memory": ("ignore", "gate"),
        "operators": ("plan", "shortest"),
    },
    "oracle-srpt": {"share": SHARES, "memory": ("ignore", "gate")},
    "hesrpt": {"p": (0.2, 0.35, 0.5, 0.65, 0.8, 0.9), "size": SIZES},
    "critical-path": {"size": SIZES, "memory": ("ignore", "gate")},
    "critical-path-pipelining": {"size": SIZES, "memory": ("ignore", "gate")},
    "priced": {"weight": (0.4, 0.84, 1.7), "offset": (1.0, 2.3, 5.0), "hold_moves": (0.0, 2.0)},
    "stride": {"quantum_us": (500, 2000, 8000), "decay": (0.7, 0.9, 1.0)},
    "reserve": {"reserve": (0.05, 0.1, 0.2, 0.4), "short": (0.3, 0.5, 0.8), "size": SIZES},
    "slots": {"slots": (2, 3, 5, 8), "lane": (0.0, 0.1, 0.2, 0.4)},
}
"""What to try where nothing is said. A scheduler's own class attribute ``tunable``, a mapping from
parameter to values, comes first."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One combination of parameters.

    Attributes:
        scheduler: its text, for ``--schedulers``.
        score: the objective; over several cases their geometric mean. Less is better. NaN where
            runs are missing: fewer seeds would be an unfair advantage.
        ratio: score ÷ score of the scheduler as it was given.
    """

    scheduler: str
    score: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """What ``tune`` found.

    Attributes:
        objective: what was minimised.
        candidates: from best to worst, then incomplete ones; equal ones in the order of the grid.
        comparison: the runs behind it.
    """

    objective: str
    candidates: tuple[Candidate, ...]
    comparison: Comparison

    @property
    def best(self) -> Candidate:
        """The lowest score."""
        return self.candidates[0]


def tune(
    traces: str | Path | Trace | Sequence[str | Path | Trace],
    scheduler: str,
    grid: Grid | None = None,
    *,
    cluster: str | Cluster = "inmemory-32",
    arrivals: Arrivals | Sequence[Arrivals] = Arrivals(part="training"),  # noqa: B008
    seeds: int | Iterable[int] = TRAINING_SEEDS,
    objective: str = "mean_latency_s",
    history: bool = True,
    engine: EngineName | None = None,
    workers: int | Executor = 1,
    progress: Progress | None = None,
) -> Tuning:
    """Try every combination of a grid, and the scheduler as it is given.

    Example:
        >>> tuning = tune("tpch", "srpt", {"size": ["estimate", "history"]},
        ...               arrivals=Arrivals(load=0.7))
        >>> tuning.best.scheduler

    Args:
        traces: as for ``compare``, and so all that is not said here.
        scheduler: its text; parameters in it stay fixed.
        grid: values by parameter; default: see ``default_grid``.
        cluster: the cluster.
        arrivals: how queries arrive. With several kinds, one that is good on all wins.
        seeds: training seeds.
        objective: one of ``OBJECTIVES``, minimised.
        history: whether schedulers see completed runs.
        engine: see ``Simulation``; the results are the same.
        workers: processes, or an executor.
        progress: called after each run.

    Raises:
        OptionError: an unknown objective, no grid, one that is too large, or one with a parameter
            that the scheduler's text fixes.
        WorkerError: worker processes died, and no candidate is left that has all its runs.
    """
    check_schedulers([scheduler])
    if objective not in OBJECTIVES:
        raise OptionError(
            f"objective is {objective!r}, expected {', '.join(OBJECTIVES)}"
            + did_you_mean(objective, OBJECTIVES)
        )
    grid = default_grid(scheduler) if grid is None else grid
    for key in split_text(scheduler)[1]:
        if key in grid:
            raise OptionError(
                f"{key} is fixed by scheduler {scheduler!r} and is in the grid as well; leave it "
                "out of one"
            )
    size = math.prod(len(values) for values in grid.values())
    if not 1 <= size <= MAX_CANDIDATES:
        raise OptionError(f"a grid of {size:,} combinations, expected 1 to {MAX_CANDIDATES:,}")
    specs = [spec for spec in grid_specs(scheduler, grid) if spec != scheduler]
    comparison = compare(
        traces,
        [scheduler, *specs],
        cluster=cluster,
        arrivals=arrivals,
        seeds=seeds,
        history=history,
        engine=engine,
        reference=scheduler,
        workers=workers,
        progress=progress,
    )
    scores = {name: _score(comparison, name, objective) for name in comparison.schedulers}
    candidates = (
        Candidate(name, score, score / scores[scheduler]) for name, score in scores.items()
    )
    ranked = sorted(candidates, key=lambda found: (math.isnan(found.score), found.score))
    if math.isnan(ranked[0].score):
        raise WorkerError(f"no candidate has all its runs; {missing_runs(comparison.incomplete)}")
    return Tuning(objective, tuple(ranked), comparison)


def default_grid(scheduler: str) -> Grid:
    """The class's own ``tunable``, else the entry in ``GRIDS``, less what the text already fixes.

    Raises:
        OptionError: there is neither.
        UnknownScheduler: there is no such scheduler.
    """
    own = getattr(type(make_scheduler(scheduler)), "tunable", None)
    name, fixed = split_text(scheduler)
    if own is None and ".py:" not in scheduler:
        own = GRIDS.get(name)
    if not own:
        raise OptionError(
            f"no grid is known for {scheduler!r}: give one, as parameter=value,value+…, or set "
            "the class attribute tunable"
        )
    return {key: values for key, values in own.items() if key not in fixed}


def _score(comparison: Comparison, scheduler: str, objective: str) -> float:
    if any(case.outcomes[scheduler].lost for case in comparison.cases):
        return math.nan
    logs = [math.log(case.outcomes[scheduler].figures[objective]) for case in comparison.cases]
    return math.exp(sum(logs) / len(logs))
