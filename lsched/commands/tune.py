"""``lsched tune``: the best parameters of a scheduler."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from rich.console import Group
from rich.text import Text

from lsched.commands.console import check_complete, output_console, progress_bar
from lsched.commands.options import (
    NO_ARRIVAL_OPTIONS,
    ArrivalGroup,
    ClusterText,
    EngineOption,
    OnOff,
    OptionalPath,
    OptionalText,
    RayAddress,
    SeedsText,
    TraceText,
    WorkersCount,
    chosen_engine,
    chosen_workers,
)
from lsched.config_file import config_beside, write_config
from lsched.errors import missing_runs
from lsched.output import check_output_files
from lsched.report import finite, write_json
from lsched.specs import check_scheduler_text, parse_grid, parse_seeds
from lsched.tables import INCOMPLETE_MARK, number, plain_table, short_name, time_unit
from lsched.tune import Tuning, tune

OUTPUT_FILES = ("out",)
"""Options that name files to write."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Find the parameters of a scheduler that are best in training.

    The seeds are not those of a comparison (0 to 9), and of a trace that is replayed only the
    training part counts: on what they were chosen for, tuned parameters would look too good.
    """

    trace: TraceText
    """A shipped trace or a trace file."""

    scheduler: str
    """The scheduler; parameters given with it stay fixed."""

    grid: OptionalText = None
    """Values to try, parameter=value,value+parameter=value,…; if not given, the scheduler's own."""

    seeds: SeedsText = "1000-1009"
    cluster: ClusterText = "inmemory-32"

    loads: OptionalText = None
    """Several offered loads, separated by commas, instead of one; the best on all together wins."""

    objective: str = "mean_latency_s"
    """What to minimise: mean_latency_s, p95_latency_s or mean_slowdown."""

    history: OnOff = "on"
    """Whether schedulers see completed runs of a plan."""

    engine: EngineOption = "auto"
    """What simulates: fast where numba is installed, else simpy. Their results are equal."""

    out: OptionalPath = None
    """File for all candidates, as JSON; beside it all options, as FILE.config.json."""

    workers: WorkersCount = None
    ray: RayAddress = None

    arrivals: ArrivalGroup = NO_ARRIVAL_OPTIONS


def run(options: Options) -> None:
    """Do what the options say."""
    config = config_beside(options.out)
    check_output_files(options.out, config)
    check_scheduler_text(options.scheduler)
    engine = chosen_engine(options.engine)
    with (
        chosen_workers(options.workers, options.ray) as workers,
        progress_bar("tuning") as progress,
    ):
        tuning = tune(
            options.trace,
            options.scheduler,
            None if options.grid is None else parse_grid(options.grid),
            cluster=options.cluster,
            arrivals=options.arrivals.all_arrivals(options.loads, replayed_part="training"),
            seeds=parse_seeds(options.seeds),
            objective=options.objective,
            history=options.history == "on",
            engine=engine,
            workers=workers,
            progress=progress,
        )
    try:
        if options.out is not None:
            write_json(_document(tuning), options.out)
        if config is not None:
            write_config(options, config)
    finally:  # also where the disk is full
        output_console().print(_table(tuning, options.scheduler))
    check_complete(tuning.comparison)


def _table(tuning: Tuning, given: str) -> Group:
    is_time = tuning.objective.endswith("_s")
    scores = (c.score for c in tuning.candidates if not math.isnan(c.score))
    unit, per_s = time_unit(scores) if is_time else ("", 1.0)
    comparison = tuning.comparison
    labels = "; ".join(case.label for case in comparison.cases)
    table = plain_table(f"{labels}, {len(comparison.seeds)} training seeds")
    table.add_column("scheduler", overflow="fold")
    name = tuning.objective.removesuffix("_s").replace("_", " ")
    table.add_column(f"{name}\n{unit}".rstrip(), justify="right")
    table.add_column("× as\ngiven", justify="right")
    for candidate in tuning.candidates:
        mark = " (as given)" if candidate.scheduler == given else ""
        if math.isnan(candidate.score):
            mark += f" {INCOMPLETE_MARK}"
        score = number(candidate.score * per_s)
        ratio = "–" if math.isnan(candidate.ratio) else f"{candidate.ratio:.3f}"
        table.add_row(short_name(candidate.scheduler) + mark, score, ratio)
    lines = [f"best: {tuning.best.scheduler}"]
    if comparison.incomplete:
        lines.insert(0, f"{INCOMPLETE_MARK} incomplete: {missing_runs(comparison.incomplete)}")
    return Group(table, *map(Text, lines))


def _document(tuning: Tuning) -> dict[str, object]:
    comparison = tuning.comparison
    return {
        "version": 1,
        "traces": list(dict.fromkeys(case.trace for case in comparison.cases)),
        "arrivals": [case.arrivals.config() for case in comparison.cases],
        "cluster": {"name": comparison.cluster_name, **dataclasses.asdict(comparison.cluster)},
        "seeds": list(comparison.seeds),
        "objective": tuning.objective,
        "best": tuning.best.scheduler,
        "is_complete": not comparison.incomplete,
        "incomplete": comparison.incomplete,
        "candidates": [
            {
                "scheduler": candidate.scheduler,
                "score": finite(candidate.score),
                "ratio": finite(candidate.ratio),
            }
            for candidate in tuning.candidates
        ],
    }
