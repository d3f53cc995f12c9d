"""``lsched import decima``: a trace from Decima's stage profiles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from lsched.arrivals import Arrivals
from lsched.commands.import_options import check_files, names
from lsched.commands.imported import write_imported
from lsched.commands.options import Count, Number, OptionalText, OutputPath, WholeNumber
from lsched.specs import check_seeds
from traces.importers.decima import import_decima


@dataclass(frozen=True, kw_only=True)
class Options:
    """Make a trace of Decima's stage profiles of TPC-H on Spark.

    Plans are called tpch-10g-q6; queries arrive as in Decima's experiments.
    """

    path: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PATH")]
    """A directory with adj_mat_Q.npy and task_duration_Q.npy, in directories by size (2g, 5g, …)
    or with names such as 2g_adj_mat_3.npy; or the JSON document of all, plain or gzip."""

    out: OutputPath
    """File to write; a name that ends in .gz is compressed."""

    name: OptionalText = None
    """Name of the trace; decima if not given."""

    times: Literal["profile", "mean"] = "profile"
    """Task times as recorded by wave and number of executors, or each stage's mean."""

    sizes: OptionalText = None
    """Only these sizes, such as 2g,10g; all if not given."""

    only: OptionalText = None
    """Only these queries of TPC-H, such as 1,6; all if not given."""

    queries: Count = 200
    """Queries to draw."""

    interval: Number = 25.0
    """Mean gap between arrivals in seconds."""

    seed: WholeNumber = 0
    """Of the draws."""


def run(options: Options) -> None:
    """Do what the options say."""
    check_files(options.out, (options.path,))
    (seed,) = check_seeds([options.seed])
    arrivals = Arrivals(interval_s=options.interval, num_queries=options.queries)  # checks them
    assert arrivals.interval_s is not None
    trace = import_decima(
        options.path,
        times=options.times,
        sizes=names(options.sizes),
        only=names(options.only),
        num_queries=arrivals.num_queries,
        interval_s=arrivals.interval_s,
        seed=seed,
        name=options.name or "decima",
    )
    write_imported(trace, options.out)
