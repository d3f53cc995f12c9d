"""``lsched observe``: what work orders take, as runs show it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from lsched.commands.console import output_console
from lsched.commands.options import (
    NO_ARRIVAL_OPTIONS,
    ArrivalGroup,
    ClusterText,
    OptionalPath,
    TraceText,
)
from lsched.config_file import config_beside, write_config
from lsched.errors import OptionError
from lsched.needed_files import needed_files
from lsched.observe import observed
from lsched.output import check_not_read, check_output_files
from lsched.specs import parse_cluster, parse_schedulers, parse_seeds
from traces import load, write

OUTPUT_FILES = ("out",)
"""Options that name files to write."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Write the plans of a trace with the times of work orders that runs show.

    Each seed is a run, under one of the schedulers in turn; times are those in its log, by the
    query's executors, and by whether an executor has just come. What no run shows has its estimate.
    The scheduler lookahead reads such a file. Only for plans whose edges all break pipelines.
    """

    trace: TraceText
    """A shipped trace or a trace file."""

    out: OptionalPath = None
    """File to write; a name that ends in .gz is compressed. All options are left beside it, as
    FILE.config.json."""

    cluster: ClusterText = "spark-50"

    schedulers: str = "priced:size=history+weight=2+slowdown=0.005"
    """Which run, separated by commas."""

    seeds: str = "1000-1099"
    """A count (10 means 0 to 9), a range (100-109) or a list (3,7,11)."""

    arrivals: ArrivalGroup = NO_ARRIVAL_OPTIONS


def run(options: Options) -> None:
    """Do what the options say."""
    if options.out is None:
        raise OptionError("missing: --out (see lsched observe --help)")
    left = config_beside(options.out)
    check_output_files(options.out, left)
    schedulers = parse_schedulers(options.schedulers)
    cluster_file, _, _ = options.cluster.partition(":")
    for read in (options.trace, cluster_file, *needed_files(schedulers)):
        check_not_read(options.out, Path(read))
    trace, cluster = load(options.trace), parse_cluster(options.cluster)
    seeds, arrivals = parse_seeds(options.seeds), options.arrivals.arrivals()
    runs = (arrivals.of(trace, cluster, seed) for seed in seeds)
    seen = observed(trace, runs, cluster, schedulers, seeds)
    write(msgspec.structs.replace(seen, name=options.out.name.split(".")[0]), options.out)
    if left is not None:
        write_config(options, left)
    output_console().print(f"{options.out}: times seen in {len(seeds)} runs", soft_wrap=True)
