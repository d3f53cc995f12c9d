"""Options that several subcommands share, and their types."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from lsched.arrivals import NUM_QUERIES, REAL, Arrivals
from lsched.errors import OptionError
from lsched.executor import Executor
from lsched.runner import num_cores
from lsched.specs import check_engine, parse_numbers
from sim.engines import HOW_TO_GET_FAST, EngineName, is_fast_installed
from traces import Part, SplitBy
from traces.arrivals import SIZE_SD, TIME_SD


def _value(metavar: str, kind: type[Any], what: str) -> PrimitiveConstructorSpec[Any]:
    def parse(words: list[str]) -> Any:
        try:
            if kind is Path and not words[0]:
                raise ValueError
            return kind(words[0])
        except ValueError:
            raise ValueError(f"{words[0]!r} is not {what}") from None

    accepts: Callable[[object], bool] = lambda value: value is None or isinstance(value, kind)  # noqa: E731
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=parse,
        is_instance=accepts,
        str_from_instance=lambda value: ["none" if value is None else str(value)],
    )


def _shown_default(default: str) -> str:
    """Where nothing is the default, the text says what that means."""
    return "" if default == "none" else f"(default: {default})"


_OPTIONAL = tyro.conf.arg(help_behavior_hint=_shown_default)
Number = Annotated[float, _value("NUMBER", float, "a number")]
Count = Annotated[int, _value("COUNT", int, "a whole number")]
WholeNumber = Annotated[int, _value("INT", int, "a whole number")]
OutputPath = Annotated[Path, _value("PATH", Path, "a path")]
OptionalNumber = Annotated[float | None, _value("NUMBER", float, "a number"), _OPTIONAL]
OptionalWholeNumber = Annotated[int | None, _value("INT", int, "a whole number"), _OPTIONAL]
OptionalCount = Annotated[int | None, _value("COUNT", int, "a whole number"), _OPTIONAL]
OptionalText = Annotated[str | None, _value("TEXT", str, "a text"), _OPTIONAL]
OptionalPath = Annotated[Path | None, _value("PATH", Path, "a path"), _OPTIONAL]
PERCENT = 10
"""Loads from here on are meant as percent, most likely."""
OnOff = Literal["on", "off"]
PartName = Literal["all", "training", "validation", "test"]
PARTS: tuple[str, ...] = get_args(PartName)
OptionalPart = Annotated[
    PartName | None,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar=f"{{{','.join(PARTS)}}}",
        choices=PARTS,
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: value is None or value in PARTS,
        str_from_instance=lambda value: ["none" if value is None else str(value)],
    ),
    _OPTIONAL,
]
EngineOption = Literal["auto", "fast", "simpy"]
ClusterText = Annotated[
    str,
    tyro.conf.arg(
        metavar="CLUSTER",
        help="A preset (inmemory-32, warehouse-4x16, spark-50) or a file.toml, with changes as in "
        "inmemory-32:memory_bytes=4000000000+executors_per_node=16. The value none takes a "
        "limit away.",
    ),
]
SeedsText = Annotated[
    str,
    tyro.conf.arg(
        metavar="SEEDS", help="A count (10 means 0 to 9), a range (100-109) or a list (3,7,11)."
    ),
]
WorkersCount = Annotated[
    OptionalWholeNumber,
    tyro.conf.arg(
        help="Processes to run in, or with --ray how many on the cluster at most; if not given, as "
        "many as there are cores, or CPUs of the cluster. The result does not depend on it."
    ),
]
RayAddress = Annotated[
    OptionalText,
    tyro.conf.arg(
        metavar="ADDRESS",
        help="Run on a Ray cluster: auto (the one that this machine is part of), HOST:6379, or "
        "ray://HOST:10001; local starts one here. Needs the extra ray.",
    ),
]
TraceText = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TRACE")]


@dataclass(frozen=True, kw_only=True)
class ArrivalOptions:
    """How queries arrive. Without load, interval or batch the trace's own are replayed."""

    load: OptionalNumber = None
    """Poisson arrivals over the trace's plans, drawn anew by each seed, at this offered load
    (arrival rate × mean work ÷ executors). Of generated tenants: what sizes are scaled to."""

    interval: OptionalNumber = None
    """Poisson arrivals with this mean gap in seconds, instead of a load."""

    batch: bool = False
    """All queries at time 0, instead of Poisson arrivals."""

    redraw: bool = False
    """Of a generated trace: each seed draws other queries of the same tenants, as the trace's
    configuration does with this seed."""

    queries: OptionalCount = None
    """Queries to draw, 200 if not given; only where arrivals are drawn. Of a generated fleet: about
    how many in all."""

    scale: OptionalNumber = None
    """Multiplies the size of each query drawn, 1 if not given; only where arrivals are drawn."""

    size_sd: OptionalNumber = None
    """How much the sizes of queries drawn of one plan differ: the standard deviation of their
    logarithms, 0.25 if not given."""

    time_sd: OptionalNumber = None
    """Likewise, what no size tells: how fast they are, 0.3 if not given."""

    estimates: str = REAL
    """real: the trace's; exact, none; or a number: noise in the trace's, the standard deviation of
    their logarithms."""

    part: OptionalPart = None
    """Only this part of the trace: training, validation or test. If not given, all of it; but tune
    takes the training part of what it replays."""

    split: SplitBy = "time"
    """How the trace is split into parts: by time (60, 20, 20 % of it, in this order) or by
    template."""

    def arrivals(self, load: float | None = None, replayed_part: Part | None = None) -> Arrivals:
        """The arrivals that the options describe.

        Args:
            load: stands for the option of that name.
            replayed_part: the part that is meant where none is named and the trace is replayed.

        Raises:
            OptionError: options contradict each other, or a value is out of range.
        """
        if load is None:
            load = self.load
        if load is not None and PERCENT <= load <= 100:
            print(
                f"lsched: load {load:g} is {load:g} times what all executors can do; "
                f"{load / 100:g} is {load:g} %",
                file=sys.stderr,
            )
        arrivals = Arrivals(
            load=load,
            interval_s=self.interval,
            is_batch=self.batch,
            is_redrawn=self.redraw,
            num_queries=NUM_QUERIES if self.queries is None else self.queries,
            scale=1.0 if self.scale is None else self.scale,
            size_sd=SIZE_SD if self.size_sd is None else self.size_sd,
            time_sd=TIME_SD if self.time_sd is None else self.time_sd,
            estimates=self.estimates,
            part=None if self.part == "all" else self.part,
            split=self.split,
        )
        if self.part is None and not arrivals.is_drawn:
            arrivals = dataclasses.replace(arrivals, part=replayed_part)
        of_drawn = ["queries", "size_sd", "time_sd"] + ([] if self.redraw else ["scale"])
        if arrivals.has_own_times and any(getattr(self, name) is not None for name in of_drawn):
            raise OptionError(
                "--queries, --scale, --size-sd and --time-sd need --load, --interval or --batch"
            )
        return arrivals

    def all_arrivals(self, loads: str | None, replayed_part: Part | None = None) -> list[Arrivals]:
        """The arrivals of each of several loads, or of the options alone.

        Raises:
            OptionError: as ``arrivals``, or there are both a load and loads.
        """
        if loads is None:
            return [self.arrivals(replayed_part=replayed_part)]
        if self.load is not None:
            raise OptionError("both --load and --loads; choose one")
        return [self.arrivals(load) for load in parse_numbers(loads)]


NO_ARRIVAL_OPTIONS = ArrivalOptions()
ArrivalGroup = Annotated[ArrivalOptions, tyro.conf.arg(name="")]
"""The options above without a prefix, under a heading of their own."""


def chosen_engine(option: EngineOption) -> EngineName:
    """The engine of an option, ready to run.

    Raises:
        OptionError: it is not installed.
    """
    name: EngineName | None = None if option == "auto" else option
    if name is None and not is_fast_installed():
        print(f"lsched: {HOW_TO_GET_FAST}", file=sys.stderr)
        name = "simpy"
    return check_engine(name)


@contextmanager
def chosen_workers(workers: int | None, ray: str | None) -> Iterator[int | Executor]:
    """Who does the runs: processes of this machine, or a Ray cluster, connected meanwhile.

    Raises:
        OptionError: there is no such cluster, or Ray is not installed.
    """
    if ray is None:
        yield num_cores() if workers is None else workers
        return
    from lsched.ray_executor import RayExecutor

    with RayExecutor(ray, workers) as cluster:
        yield cluster
