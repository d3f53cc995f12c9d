"""``lsched generate``: a new trace over the plans of another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lsched.commands.console import output_console
from lsched.commands.options import (
    NO_ARRIVAL_OPTIONS,
    ArrivalGroup,
    OptionalCount,
    OptionalText,
    OutputPath,
    TraceText,
    WholeNumber,
)
from lsched.errors import OptionError
from lsched.output import check_output_files
from lsched.specs import check_seeds, parse_cluster
from sim import Cluster
from traces import Trace, load, write

DEFAULT_CLUSTER = "inmemory-32"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Draw queries over a trace's plans and write them as a trace.

    Needs --load (with --cluster or --executors), --interval or --batch.
    """

    trace: TraceText
    """A shipped trace or a trace file, whose plans are used."""

    out: OutputPath
    """File to write; a name that ends in .gz is compressed."""

    name: OptionalText = None
    """Name of the new trace; if not given, that of the file."""

    seed: WholeNumber = 0
    """Of the draws."""

    executors: OptionalCount = None
    """Executors that the load is for, instead of a cluster's."""

    cluster: OptionalText = None
    """The cluster that the load is for, inmemory-32 if not given."""

    arrivals: ArrivalGroup = NO_ARRIVAL_OPTIONS


def run(options: Options) -> None:
    """Do what the options say."""
    arrivals = options.arrivals.arrivals()
    if not arrivals.is_drawn:
        raise OptionError("how queries arrive is not given: --load, --interval or --batch")
    if options.executors is not None and arrivals.load is None:
        raise OptionError("--executors is only for --load")
    if options.executors is not None and options.cluster is not None:
        raise OptionError("both --executors and --cluster; choose one")
    check_output_files(options.out)
    trace_file = Path(options.trace)
    if trace_file.is_file() and options.out.exists() and options.out.samefile(trace_file):
        raise OptionError(f"--out {options.out} is the trace that is read; give another name")
    cluster = (
        parse_cluster(options.cluster or DEFAULT_CLUSTER)
        if options.executors is None
        else Cluster(executors_per_node=options.executors)
    )
    (seed,) = check_seeds([options.seed])
    drawn = arrivals.of(load(options.trace), cluster, seed)
    executors = f" on {cluster.num_executors} executors" if arrivals.load is not None else ""
    scale = f", scale {arrivals.scale:g}" if arrivals.scale != 1 else ""
    made = f"{arrivals.num_queries} queries, {arrivals.label}{executors}{scale}, seed {seed}"
    trace = Trace(
        name=options.name or options.out.name.split(".")[0],
        plans=drawn.plans,
        queries=drawn.queries,
        description=f"{drawn.name}: {made}",
        source={**drawn.source, "arrivals": made},
    )
    write(trace, options.out)
    output_console().print(f"{options.out}: {made}", soft_wrap=True)
