"""``lsched validate decima``: the simulator against published ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from lsched.commands.console import output_console
from lsched.tables import plain_table
from lsched.validate.decima import PUBLISHED, queries_alone


@dataclass(frozen=True, kw_only=True)
class Options:
    """Simulate queries 6, 9 and 18 of Decima's profiles alone, and compare with two simulators.

    10 GB, ten executors, each task its stage's mean, moves of 2 s, no other costs. Times in
    seconds, by the order in which a query's stages are run.
    """

    path: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PATH")]
    """What lsched import decima takes: a directory of .npy files, or the JSON document of all."""


def run(options: Options) -> None:
    """Do what the options say."""
    table = plain_table()
    table.add_column("query")
    for name in (
        "published",
        "published too",
        "earliest ready",
        "by index",
        "longest path",
        "difference",
    ):
        table.add_column(name, justify="right")
    for alone in queries_alone(options.path):
        published = PUBLISHED[alone.query]
        ours_s = alone.earliest_ready_s
        differences = (
            f"{100 * (ours_s / theirs_s - 1):+.2f} %"
            for theirs_s in (published.first_s, published.second_s)
        )
        table.add_row(
            f"Q{alone.query}",
            f"{published.first_s:.3f}",
            f"{published.second_s:.3f}",
            f"{ours_s:.3f}",
            f"{alone.by_index_s:.3f}",
            f"{alone.longest_path_s:.3f}",
            ", ".join(differences),
        )
    output_console().print(table)
