"""``lsched compare``: schedulers on traces, over seeds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

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
    WorkersCount,
    chosen_engine,
    chosen_workers,
)
from lsched.compare import Comparison, compare
from lsched.config_file import write_config
from lsched.errors import OptionError
from lsched.output import output_directory
from lsched.report import write_comparison
from lsched.specs import parse_schedulers, parse_seeds
from lsched.tables import comparison_table
from sim.bounds import Method


@dataclass(frozen=True, kw_only=True)
class Options:
    """Compare schedulers on traces: a table, results.json, queries.csv and plots.

    Every scheduler meets the same arrivals and the same luck on a seed, so differences are paired.
    """

    traces: Annotated[
        tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="TRACE [TRACE ...]")
    ]
    """Shipped traces or trace files, one or more."""

    schedulers: Annotated[str, tyro.conf.arg(metavar="NAME[,NAME...]")]
    """Separated by commas, each name, name:key=value+key=value, or path/to/file.py:ClassName."""

    seeds: SeedsText = "10"
    cluster: ClusterText = "inmemory-32"

    loads: OptionalText = None
    """Several offered loads, separated by commas, instead of one."""

    reference: OptionalText = None
    """Scheduler that ratios refer to; if not given, fair where it is compared, else the first."""

    history: OnOff = "on"
    """Whether schedulers see completed runs of a plan."""

    engine: EngineOption = "auto"
    """What simulates: fast where numba is installed, else simpy. Their results are equal."""

    bounds: Method = "fast"
    """How the limit on the mean latency is worked out: fast, or lp for a tighter one."""

    out: OptionalPath = None
    """Directory for results.json, queries.csv, config.json and plots; without it only the table is
    shown."""

    no_plots: bool = False
    """Leave the plots out."""

    format: Literal["png", "pdf", "svg"] = "png"
    """Format of the plots."""

    workers: WorkersCount = None
    ray: RayAddress = None

    arrivals: ArrivalGroup = NO_ARRIVAL_OPTIONS


def run(options: Options) -> None:
    """Do what the options say."""
    if options.out is None:
        comparison = _compare(options)
        _show(comparison)
    else:
        comparison = _compare_and_write(options, options.out)
        _show(comparison)
        output_console().print(f"\nwritten to {options.out}", soft_wrap=True)
    check_complete(comparison)


def _compare_and_write(options: Options, out: Path) -> Comparison:
    comparison = None
    try:
        with output_directory(out) as directory:
            comparison = _compare(options)
            # Both have the options: results.json says all of itself, also where it is sent alone.
            write_comparison(comparison, directory, _resolved(options))
            write_config(options, directory)
            if not options.no_plots:
                from lsched.plots import write_plots

                write_plots(comparison, directory, options.format)
    except OSError:
        if comparison is not None:  # the disk is full, perhaps; the table need not be lost too
            _show(comparison)
        raise
    return comparison


def _compare(options: Options) -> Comparison:
    if not options.traces:
        raise OptionError("no trace given (see lsched compare --help)")
    engine = chosen_engine(options.engine)
    with (
        chosen_workers(options.workers, options.ray) as workers,
        progress_bar("simulating") as progress,
    ):
        return compare(
            options.traces,
            parse_schedulers(options.schedulers),
            cluster=options.cluster,
            arrivals=options.arrivals.all_arrivals(options.loads),
            seeds=parse_seeds(options.seeds),
            history=options.history == "on",
            engine=engine,
            reference=options.reference,
            bounds=options.bounds,
            workers=workers,
            progress=progress,
        )


def _show(comparison: Comparison) -> None:
    console = output_console()
    for place, case in enumerate(comparison.cases):
        if place:
            console.print()
        console.print(
            comparison_table(
                case, comparison.reference, len(comparison.seeds), comparison.cluster_name
            )
        )


def _resolved(options: Options) -> dict[str, object]:
    resolved = dataclasses.asdict(options)
    return {
        key: str(value) if isinstance(value, Path) else value for key, value in resolved.items()
    }
