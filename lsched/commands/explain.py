"""``lsched explain``: where two schedulers part, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from lsched.commands.console import output_console
from lsched.commands.options import (
    NO_ARRIVAL_OPTIONS,
    ArrivalGroup,
    ClusterText,
    Count,
    EngineOption,
    OnOff,
    TraceText,
    WholeNumber,
    chosen_engine,
)
from lsched.errors import OptionError
from lsched.explain import Scenario, explain
from lsched.explain_tables import explanation
from lsched.specs import check_seeds, parse_cluster, parse_schedulers
from traces import load


@dataclass(frozen=True, kw_only=True)
class Options:
    """Replay the same queries and luck under two schedulers, and say where they part and why.

    Shows the first moment at which executors do something else, the state then, both choices, and
    what the first scheduler's choice alone would have changed in the second's run.
    """

    trace: TraceText
    """A shipped trace or a trace file."""

    schedulers: Annotated[str, tyro.conf.arg(metavar="FIRST,SECOND")]
    """The two, each name, name:key=value+key=value, or path/to/file.py:ClassName."""

    seed: WholeNumber = 0
    """For arrivals, the luck of work orders, and schedulers that draw."""

    cluster: ClusterText = "inmemory-32"

    history: OnOff = "on"
    """Whether schedulers see completed runs of a plan."""

    engine: EngineOption = "auto"
    """What simulates: fast where numba is installed, else simpy. Their results are equal."""

    top: Count = 5
    """Of the queries whose latencies differ most, so many are listed."""

    arrivals: ArrivalGroup = NO_ARRIVAL_OPTIONS


def run(options: Options) -> None:
    """Do what the options say."""
    names = parse_schedulers(options.schedulers)
    if len(names) != 2:
        raise OptionError(
            f"schedulers are {', '.join(map(repr, names))}, expected two, as in fair,srpt"
        )
    if options.top < 0:
        raise OptionError(f"top is {options.top}, expected 0 or more")
    (seed,) = check_seeds([options.seed])
    cluster = parse_cluster(options.cluster)
    trace = options.arrivals.arrivals().of(load(options.trace), cluster, seed)
    scenario = Scenario(
        trace, cluster, seed, options.history == "on", chosen_engine(options.engine)
    )
    console = output_console()
    for part in explanation(explain(scenario, *names), trace, options.top):
        console.print(part)
