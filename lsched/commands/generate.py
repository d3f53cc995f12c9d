"""``lsched generate``: a new trace, over the plans of others."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import tyro

from lsched.commands.console import output_console
from lsched.commands.imported import write_imported
from lsched.commands.options import (
    NO_ARRIVAL_OPTIONS,
    ArrivalGroup,
    OptionalCount,
    OptionalNumber,
    OptionalPath,
    OptionalText,
)
from lsched.config_file import config_beside, write_config
from lsched.errors import OptionError
from lsched.output import check_not_read, check_output_files
from lsched.specs import check_seeds, parse_cluster
from sim import Cluster
from traces import Trace, load, write
from traces.errors import did_you_mean
from traces.generate import (
    Config,
    Fleet,
    Target,
    config_path,
    generate,
    read_config,
    shipped_configs,
)

OUTPUT_FILES = ("out",)
"""Options that name files to write."""
DEFAULT_CLUSTER = "inmemory-32"
DEFAULT_HOURS = 24.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """Make a trace: of tenants as described, of a fleet, or of arrivals over a trace's plans.

    With --config or --fleet, --load is the mean offered load that sizes are scaled to. With a TRACE
    alone, queries over its plans are drawn (needs --load, --interval or --batch).
    """

    trace: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="TRACE")] = None
    """A shipped trace or a trace file, whose plans are used; with --fleet tpch if not given."""

    config: OptionalText = None
    """What the trace shall be like: a TOML file, or the name of a shipped one (see --show)."""

    fleet: OptionalCount = None
    """So many tenants, with rates, bursts and work as Redset's fleet has them."""

    hours: OptionalNumber = None
    """Length of a trace with --fleet, 24 if not given."""

    show: OptionalText = None
    """Print the shipped configuration of this name (fleet-small, fleet-day), as a beginning for
    one's own."""

    out: OptionalPath = None
    """File to write; a name that ends in .gz is compressed. All options are left beside it, as
    FILE.config.json."""

    name: OptionalText = None
    """Name of the new trace; if not given, the configuration's or that of the file."""

    seed: Annotated[OptionalCount, tyro.conf.arg(metavar="INT")] = None
    """Of the draws; if not given, the configuration's or 0."""

    executors: OptionalCount = None
    """Executors that the load is for, instead of a cluster's."""

    cluster: OptionalText = None
    """The cluster that the load is for, inmemory-32 if not given."""

    arrivals: ArrivalGroup = NO_ARRIVAL_OPTIONS


def run(options: Options) -> None:
    """Do what the options say."""
    if options.show is not None:
        _show(options.show)
        return
    if options.out is None:
        raise OptionError("missing: --out (see lsched generate --help)")
    for name in ("executors", "cluster"):
        if getattr(options, name) is not None and options.arrivals.load is None:
            raise OptionError(f"--{name} is only for --load")
    if options.executors is not None and options.cluster is not None:
        raise OptionError("both --executors and --cluster; choose one")
    if options.hours is not None and options.fleet is None:
        raise OptionError("--hours is only for --fleet")
    left = config_beside(options.out)
    check_output_files(options.out, left)
    if options.config is None and options.fleet is None:
        _draw_arrivals(options, options.out)
    else:
        _generate(options, options.out)
    if left is not None:
        write_config(options, left)


def _show(name: str) -> None:
    if name not in shipped_configs():
        raise OptionError(
            f"no shipped configuration {name!r}, there are {', '.join(shipped_configs())}"
            f"{did_you_mean(name, shipped_configs())}"
        )
    sys.stdout.write(config_path(name).read_text(encoding="utf-8"))


def _generate(options: Options, out: Path) -> None:
    """A trace with tenants, from a configuration or as a fleet."""
    arrivals = options.arrivals
    if dataclasses.replace(arrivals, load=None, queries=None) != NO_ARRIVAL_OPTIONS:
        raise OptionError("with --config or --fleet, only --load and --queries say how many arrive")
    if options.config is None:
        config, source = _fleet(options, out), f"--fleet {options.fleet}"
    else:
        if options.fleet is not None or options.trace is not None:
            raise OptionError("--config and a TRACE or --fleet; choose one")
        if arrivals.queries is not None:
            raise OptionError("--queries is not for --config, which says how many there are")
        config, source = read_config(options.config), options.config
        check_not_read(out, config_path(options.config))
    changes: dict[str, object] = {"name": options.name or config.name}
    if options.seed is not None:
        (changes["seed"],) = check_seeds([options.seed])
    if arrivals.load is not None:
        changes["target"] = _target(options, arrivals.load)
    try:
        config = msgspec.structs.replace(config, **changes)
    except ValueError as error:
        raise OptionError(f"--name: {error}") from None
    write_imported(generate(config, source), out)


def _fleet(options: Options, out: Path) -> Config:
    hours = DEFAULT_HOURS if options.hours is None else options.hours
    try:
        return Config(
            name=out.name.split(".")[0],
            description=f"{options.fleet} tenants as a real fleet has them",
            hours=hours,
            traces=(options.trace or "tpch",),
            fleet=Fleet(tenants=options.fleet or 0, queries=options.arrivals.queries),
        )
    except ValueError as error:
        raise OptionError(f"--fleet, --hours or --queries: {error}") from None


def _target(options: Options, load: float) -> Target:
    try:
        return Target(load=load, executors=_cluster(options).num_executors)
    except ValueError as error:
        raise OptionError(f"--load: {error}") from None


def _cluster(options: Options) -> Cluster:
    if options.executors is None:
        return parse_cluster(options.cluster or DEFAULT_CLUSTER)
    return Cluster(executors_per_node=options.executors)


def _draw_arrivals(options: Options, out: Path) -> None:
    """A trace of arrivals over one trace's plans."""
    if options.trace is None:
        raise OptionError("missing: TRACE, --config or --fleet (see lsched generate --help)")
    arrivals = options.arrivals.arrivals()
    if not arrivals.is_drawn:
        raise OptionError("how queries arrive is not given: --load, --interval or --batch")
    check_not_read(out, Path(options.trace))
    (seed,) = check_seeds([options.seed or 0])
    cluster = _cluster(options)
    drawn = arrivals.of(load(options.trace), cluster, seed)
    executors = f" on {cluster.num_executors} executors" if arrivals.load is not None else ""
    scale = f", scale {arrivals.scale:g}" if arrivals.scale != 1 else ""
    made = f"{arrivals.num_queries} queries, {arrivals.label}{executors}{scale}, seed {seed}"
    trace = Trace(
        name=options.name or out.name.split(".")[0],
        plans=drawn.plans,
        queries=drawn.queries,
        description=f"{drawn.name}: {made}",
        source={**drawn.source, "arrivals": made},
    )
    write(trace, out)
    output_console().print(f"{out}: {made}", soft_wrap=True)
