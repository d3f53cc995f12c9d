"""What a generated trace shall be like, and reading that from a TOML file."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from traces.errors import TraceError, did_you_mean, in_words
from traces.files import shipped_names
from traces.generate.batch import Batch
from traces.generate.bursty import Adhoc, Interactive
from traces.generate.checks import check_name, check_number
from traces.generate.dashboard import Dashboard
from traces.generate.fleet import Fleet
from traces.generate.patterns import Pattern
from traces.generate.span import Span, parse_start
from traces.generate.tenants import MAX_COUNT, Tenants
from traces.text_files import read_text

MAX_DAYS = 366
CLASSES: dict[str, type[Struct]] = {
    "dashboard": Dashboard,
    "batch": Batch,
    "adhoc": Adhoc,
    "interactive": Interactive,
    "pattern": Pattern,
}


class Target(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mean offered load that the trace shall put on a cluster.

    All size factors are multiplied by one number, so that arrivals stay as they are.

    Attributes:
        load: total work ÷ (executors × duration).
        executors: of the cluster.
    """

    load: float
    executors: int

    def __post_init__(self) -> None:
        check_number("load", self.load, 1e-3, 100.0)
        check_number("executors", self.executors, 1, 1_000_000)


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a generated trace shall be like.

    Attributes:
        name, description: of the trace; without a name it gets that of the file.
        seed: of all random numbers.
        start: when the trace begins: a weekday or an ISO date, and perhaps a time
            (``Mon 08:00``). Time 0 is midnight before.
        hours, days: how long it is, together.
        traces: shipped traces, or files beside the configuration, whose plans are used. With
            several, plans are called ``tpch-q1``.
        target: the load that sizes are scaled to; if not given, sizes stay as they are.
        growth: factor of all rates from one day to the next.
        tenants: who submits queries.
        fleet: tenants drawn as a real fleet has them, besides those.
    """

    name: str = ""
    description: str = ""
    seed: int = 0
    start: str = "Monday"
    hours: float = 0.0
    days: float = 0.0
    traces: tuple[str, ...] = ("tpch",)
    target: Target | None = None
    growth: float = 1.0
    tenants: tuple[Dashboard | Batch | Adhoc | Interactive | Pattern, ...] = ()
    fleet: Fleet | None = None

    def __post_init__(self) -> None:
        if self.name:
            check_name("name", self.name)
        check_number("seed", self.seed, 0, 2**63)
        parse_start(self.start)
        for name in ("hours", "days"):
            check_number(name, getattr(self, name), 0.0, MAX_DAYS * 24.0)
        if not 1 / 60 <= self.hours + 24 * self.days <= MAX_DAYS * 24:
            raise ValueError(
                f"hours and days: the trace would be {self.hours + 24 * self.days:g} hours long, "
                f"expected a minute to {MAX_DAYS} days"
            )
        check_number("growth", self.growth, 0.5, 2.0)
        if not self.traces:
            raise ValueError("traces is empty, expected at least one such as 'tpch'")
        if not self.tenants and self.fleet is None:
            raise ValueError("tenants: there are none, and no fleet; expected [[tenants]]")
        if sum(tenants.count for tenants in self.tenants) > MAX_COUNT:
            raise ValueError(f"tenants: more than {MAX_COUNT:,} of them")
        groups = [tenants.names() for tenants in self.tenants]
        names = [*itertools.chain(*groups), *(self.fleet.names() if self.fleet else ())]
        if len(set(names)) < len(names):
            twice = Counter(names).most_common(1)[0][0]
            raise ValueError(f"tenants: two are called {twice!r}; give each its own name")

    def span(self) -> Span:
        """From when to when queries arrive."""
        return Span(self.start, self.hours + 24 * self.days, self.growth)


STRUCTS: dict[str, type[Struct]] = {"target": Target, "fleet": Fleet}
TABLES = {
    "tenants": "; each of them is a table that begins with [[tenants]]",
    "target": "; it begins with [target]",
    "fleet": "; it begins with [fleet]",
}
"""How tables are written, for those who wrote something else."""


def read_config(name_or_path: str | os.PathLike[str]) -> Config:
    """A shipped configuration by name (``fleet-day``), or a TOML file by path.

    Raises:
        TraceError: naming file and field of the first thing that is wrong.
    """
    path = config_path(name_or_path)
    text = read_text(path, "a configuration")
    try:
        raw = msgspec.toml.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TraceError(f"{path}: not TOML: {error}") from None
    try:
        config = msgspec.convert(raw, Config)
    except (msgspec.ValidationError, OverflowError, RecursionError) as error:
        raise TraceError(f"{path}: {_explained(str(error), raw)}") from None
    return msgspec.structs.replace(
        config,
        name=config.name or path.stem,
        traces=tuple(_beside(path, name) for name in config.traces),
    )


def config_path(name_or_path: str | os.PathLike[str]) -> Path:
    """Where a shipped configuration is, by name, or the path itself.

    Raises:
        TraceError: there is no such file.
    """
    text = os.fspath(name_or_path)
    if text in shipped_configs():
        return _directory() / f"{text}.toml"
    if Path(text).exists():
        return Path(text)
    raise TraceError(
        f"no configuration {text!r}: neither a file nor one of the shipped ones "
        f"({', '.join(shipped_configs())}){did_you_mean(text, shipped_configs())}"
    )


def shipped_configs() -> list[str]:
    """Names of the configurations that come with the package."""
    return sorted(path.stem for path in _directory().glob("*.toml"))


def _beside(config: Path, name: str) -> str:
    """A trace file's path, from where the configuration is; else the name as it is."""
    path = config.parent / name
    is_file = name not in shipped_names() and os.path.isfile(path)  # noqa: PTH113 (never raises)
    return str(path) if is_file else name


def _directory() -> Path:
    return Path(str(resources.files("traces"))) / "data"


def _explained(message: str, raw: Any) -> str:
    """What msgspec says in words, with the place first and a hint where a name is wrong."""
    message, _, path = message.partition(" - at `$")
    place = path.removesuffix("`").removeprefix(".")
    struct, table = STRUCTS.get(place, Config), TABLES.get(place.partition("[")[0], "")
    if match := re.match(r"tenants\[(\d+)\]", place):
        given = raw["tenants"][int(match[1])]
        if isinstance(given, dict):
            struct, table = CLASSES.get(str(given.get("class")), Tenants), ""
            place = f"{match[0]} ({given.get('name', 'no name')!r}){place[match.end() :]}"
        if place.endswith(".class"):
            hint = did_you_mean(str(given["class"]), CLASSES)
            return f"{place}: {given['class']!r}, expected one of {', '.join(CLASSES)}{hint}"
    if missing := re.search("missing required field `(.*)`", message):
        message = f"{missing[1]} is missing"
    elif unknown := re.search("unknown field `(.*)`", message):
        fields = struct.__struct_fields__
        hint = did_you_mean(unknown[1], fields) or f"; there are {', '.join(fields)}"
        message = f"no field {unknown[1]!r}{hint}"
    else:
        message = in_words(message) + table
    return f"{place}: {message}" if place else message
