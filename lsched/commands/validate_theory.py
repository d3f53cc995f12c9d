"""``lsched validate theory``: the simulator against closed formulas of queueing theory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lsched.commands.console import output_console, progress_bar
from lsched.commands.options import (
    OptionalPath,
    RayAddress,
    WholeNumber,
    WorkersCount,
    chosen_workers,
)
from lsched.config_file import write_config
from lsched.output import output_directory
from lsched.report import write_json
from lsched.specs import check_seeds
from lsched.validate.study import NUM_REPLICATIONS, QUICK_FACTOR, Study, all_systems, study
from lsched.validate.theory_report import document, summary_lines, theory_table

OWN_FILE = re.compile(r"theory\.(json|png|pdf|svg)")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Simulate queues whose mean waiting or sojourn times are known, and compare.

    First in first out with one and several executors, shortest remaining time first (SRPT), and
    round robin (RR), at several loads. Times are in mean sizes; a slowdown is sojourn ÷ size of
    queries in a range of sizes. Intervals hold with 99 % each, so that one row in a hundred is
    outside by luck.
    """

    replications: WholeNumber = NUM_REPLICATIONS
    """Independent runs of each queue, each with random numbers of its own."""

    seed: WholeNumber = 0
    """Of all random numbers."""

    quick: bool = False
    """A fifth of the queries: intervals are more than twice as wide."""

    out: OptionalPath = None
    """Directory for theory.json, config.json and a plot."""

    format: Literal["png", "pdf", "svg"] = "png"
    """Format of the plot."""

    workers: WorkersCount = None
    ray: RayAddress = None


def run(options: Options) -> None:
    """Do what the options say."""
    if options.out is None:
        _show(_study(options))
        return
    with output_directory(options.out, OWN_FILE, "theory.json") as directory:
        result = _study(options)
        write_json(document(result), directory / "theory.json")
        write_config(options, directory)
        from lsched.plots.files import save
        from lsched.plots.theory import theory_figure

        save(theory_figure(result), directory / f"theory.{options.format}")
    _show(result)
    output_console().print(f"\nwritten to {options.out}", soft_wrap=True)


def _study(options: Options) -> Study:
    (seed,) = check_seeds([options.seed])
    with (
        chosen_workers(options.workers, options.ray) as workers,
        progress_bar("simulating") as progress,
    ):
        return study(
            all_systems(),
            replications=options.replications,
            seed=seed,
            length=QUICK_FACTOR if options.quick else 1.0,
            workers=workers,
            progress=progress,
        )


def _show(result: Study) -> None:
    console = output_console()
    console.print(theory_table(result))
    for line in summary_lines(result):
        console.print(line, soft_wrap=True)
