"""``lsched validate spark``: simulated against measured latencies on Spark."""

from __future__ import annotations

import dataclasses
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lsched.commands.console import output_console
from lsched.commands.options import Count, Number, OptionalPath, WholeNumber
from lsched.config_file import write_config
from lsched.output import output_directory

if TYPE_CHECKING:
    from lsched.validate.spark import ModeResult
    from lsched.validate.spark_rounds import SparkPlan


@dataclass(frozen=True, kw_only=True)
class Options:
    """Run concurrent TPC-H queries on Spark in local mode, and compare with their simulation.

    Each of Spark's scheduler modes has a session of its own. Queries run alone, which gives their
    profiles, and in mixes, which are predicted from these. Needs the extras `spark` and `capture`,
    and Java 17 or newer.
    """

    scale_factor: Number = 0.2
    """Size of TPC-H's data, about GB."""

    queries: str = ""
    """TPC-H's queries to run, separated by commas, such as q1,q6; if not given, seven of them."""

    mode: Literal["both", "fifo", "fair"] = "both"
    """Spark's scheduler modes to run."""

    cores: Count = 2
    """Tasks that run at once."""

    submissions: Count = 8
    """Queries in a mix."""

    interval: Number = 0.5
    """Mean time between two submissions in seconds, exponential; 0: all at once."""

    repeats: Count = 3
    """How often all is measured."""

    warm_ups: Count = 4
    """Executions of each query before anything is measured, in each mode."""

    seed: WholeNumber = 0
    """For the order and times of submissions."""

    adaptive: bool = False
    """Let Spark change plans while they run (adaptive query execution)."""

    memory_gb: Count = 4
    """Largest heap of Spark's Java machine."""

    directory: OptionalPath = None
    """Where TPC-H's data goes and is reused from; if not given, a temporary directory."""

    out: OptionalPath = None
    """Directory for results.json, config.json and predictions.png; without it only the tables are
    shown."""


def run(options: Options) -> None:
    """Do what the options say."""
    from lsched.validate.engine_report import OWN_FILE
    from lsched.validate.spark import MODES, validate_spark
    from lsched.validate.spark_rounds import QUERIES, SparkPlan

    plan = SparkPlan(
        scale_factor=options.scale_factor,
        queries=tuple(filter(None, options.queries.split(","))) or QUERIES,
        cores=options.cores,
        num_submissions=options.submissions,
        interval_s=options.interval,
        repeats=options.repeats,
        warm_ups=options.warm_ups,
        seed=options.seed,
        is_adaptive=options.adaptive,
        memory_gb=options.memory_gb,
    )
    modes = [mode for mode in MODES if options.mode in ("both", mode.lower())]
    target = nullcontext() if options.out is None else output_directory(options.out, OWN_FILE)
    with target as directory:
        results = validate_spark(
            plan, modes, options.directory, lambda line: print(line, file=sys.stderr)
        )
        if directory is not None:
            _write(plan, results, directory)
            write_config(options, directory)
    _show(results)
    if options.out is not None:
        output_console().print(f"\nwritten to {options.out}", soft_wrap=True)


def _show(results: list[ModeResult]) -> None:
    from lsched.validate.spark import CONTENDED, PROFILES
    from lsched.validate.tables import accuracy_table, submission_table

    console = output_console()
    for result in results:
        title = f"Spark {result.version}, {result.mode}"
        alone = result.experiments[:1]
        console.print(submission_table(f"{title}: each query alone", alone))
        shared = [e for e in result.experiments[1:] if e.model in (PROFILES, CONTENDED)]
        console.print(submission_table(f"{title}: the mix", shared))
        console.print(accuracy_table(f"{title}: errors", result.experiments))
        console.print(
            f"Together, tasks took {result.contention.tasks:.2f} × and the driver "
            f"{result.contention.driver:.2f} × their time alone (from the mix for calibration).\n"
            f"Alone, {100 * result.driver_share:.0f} % of latencies is waiting for the driver. "
            "Errors are relative to the\nmedian run; run to run: error of predicting a run by the "
            "others.\n"
        )


def _write(plan: SparkPlan, results: list[ModeResult], directory: Path) -> None:
    from lsched.plots.files import save
    from lsched.plots.predictions import predicted_against_measured
    from lsched.validate.engine_report import write_results
    from lsched.validate.spark import CONTENDED, REPLAY, SPARK_RULES, settings

    engine = f"Spark {results[0].version}"
    parts = [
        (
            result.mode,
            {
                "spark_settings": settings(plan, result.mode).options(),
                "contention": dataclasses.asdict(result.contention),
                "driver_share": result.driver_share,
            },
            result.experiments,
        )
        for result in results
    ]
    write_results("validate spark", engine, dataclasses.asdict(plan), parts, directory)
    panels = [
        (
            result.mode,
            [
                item
                for item in result.experiments
                if item.runs == "alone"
                or (item.rule == SPARK_RULES[result.mode] and item.model in (CONTENDED, REPLAY))
            ],
        )
        for result in results
    ]
    title = (
        f"TPC-H at scale factor {plan.scale_factor:g} on {engine}, {plan.cores} cores, "
        f"{plan.num_submissions} queries in a mix"
    )
    save(predicted_against_measured(panels, title), directory / "predictions.png")
