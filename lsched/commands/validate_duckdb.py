"""``lsched validate duckdb``: simulated against measured latencies on DuckDB."""

from __future__ import annotations

import dataclasses
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lsched.commands.console import output_console
from lsched.commands.options import Count, Number, OptionalPath, WholeNumber
from lsched.config_file import write_config
from lsched.errors import OptionError
from lsched.output import output_directory

if TYPE_CHECKING:
    from lsched.validate.duckdb import DuckdbPlan, ThreadsResult


@dataclass(frozen=True, kw_only=True)
class Options:
    """Run TPC-H queries on DuckDB, several at once, and compare with their simulation.

    Profiles come from a capture with one thread. Needs the extra `capture`.
    """

    scale_factor: Number = 1.0
    """Size of TPC-H's data, about GB."""

    queries: str = ""
    """TPC-H's queries to run, separated by commas, such as q1,q6; if not given, eight of them."""

    threads: str = "1,2"
    """Numbers of DuckDB's threads, separated by commas, each on as many processors."""

    concurrency: str = "1,2,4"
    """Numbers of queries at once, separated by commas."""

    repeats: Count = 3
    """How often all is measured."""

    seed: WholeNumber = 0
    """For which queries run together."""

    directory: OptionalPath = None
    """Where TPC-H's data goes and is reused from; if not given, a temporary directory."""

    out: OptionalPath = None
    """Directory for results.json, config.json and predictions.png; without it only the tables are
    shown."""


def run(options: Options) -> None:
    """Do what the options say."""
    from lsched.validate.duckdb import QUERIES, DuckdbPlan, validate_duckdb
    from lsched.validate.engine_report import OWN_FILE

    plan = DuckdbPlan(
        scale_factor=options.scale_factor,
        queries=tuple(filter(None, options.queries.split(","))) or QUERIES,
        threads=_counts("threads", options.threads),
        concurrency=_counts("concurrency", options.concurrency),
        repeats=options.repeats,
        seed=options.seed,
    )
    target = nullcontext() if options.out is None else output_directory(options.out, OWN_FILE)
    with target as directory:
        results = validate_duckdb(
            plan, options.directory, lambda line: print(line, file=sys.stderr)
        )
        if directory is not None:
            _write(plan, results, directory)
            write_config(options, directory)
    _show(results)
    if options.out is not None:
        output_console().print(f"\nwritten to {options.out}", soft_wrap=True)


def _counts(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise OptionError(
            f"--{name} is {text!r}, expected whole numbers separated by commas"
        ) from None


def _engine() -> str:
    import duckdb

    return f"DuckDB {duckdb.__version__}"


def _show(results: list[ThreadsResult]) -> None:
    from lsched.tables import counted
    from lsched.validate.duckdb_model import RULES, SHARING
    from lsched.validate.tables import accuracy_table, submission_table

    console = output_console()
    for result in results:
        title = f"{_engine()}, {counted(result.num_threads, 'thread')}"
        for runs in dict.fromkeys(item.runs for item in result.experiments):
            shown = [
                item
                for item in result.experiments
                if item.runs == runs and item.rule == RULES[SHARING]
            ]
            console.print(submission_table(f"{title}: {runs}", shown))
        console.print(accuracy_table(f"{title}: errors", result.experiments))
        calibrated = (
            f"Calibrated: γ = {result.interference:.2f}, σ = {result.contention:.3f}. "
            if result.num_threads > 1
            else ""
        )
        console.print(
            f"{calibrated}Errors are relative to the median run; run to run: error of predicting "
            "a run by the others.\n",
        )


def _write(plan: DuckdbPlan, results: list[ThreadsResult], directory: Path) -> None:
    from lsched.plots.files import save
    from lsched.plots.predictions import predicted_against_measured
    from lsched.tables import counted
    from lsched.validate.duckdb_model import RULES, SHARING
    from lsched.validate.engine_report import write_results

    parts = [
        (
            counted(result.num_threads, "thread"),
            {"interference": result.interference, "contention": result.contention},
            result.experiments,
        )
        for result in results
    ]
    write_results("validate duckdb", _engine(), dataclasses.asdict(plan), parts, directory)
    panels = [
        (
            name,
            [
                item
                for item in experiments
                # The last of the models of each kind of runs is the calibrated one.
                if item.rule == RULES[SHARING] and item.model == experiments[-1].model
            ],
        )
        for name, _, experiments in parts
    ]
    title = f"TPC-H at scale factor {plan.scale_factor:g} on {_engine()}"
    save(predicted_against_measured(panels, title), directory / "predictions.png")
