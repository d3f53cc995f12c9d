"""Short texts of the command line and what they mean: seeds, clusters, lists, parameter grids."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from lsched.cluster_file import read_cluster
from lsched.errors import OptionError
from sim import Cluster, ClusterError, Scheduler, preset
from sim.engines import EngineName, ready_engine
from sim.registry import registered_name, split_text
from sim.values import parse_value
from traces.errors import did_you_mean

MAX_SEEDS = 100_000
MAX_SEED = 2**63 - 1


def check_engine(name: EngineName | None) -> EngineName:
    """``sim.engines.ready_engine``, whose error is one of what was given.

    Raises:
        OptionError: there is none of that name, or it is not installed.
    """
    try:
        return ready_engine(name)
    except ValueError as error:
        raise OptionError(str(error)) from None


def parse_seeds(text: str) -> tuple[int, ...]:
    """``10`` means seeds 0 to 9, ``100-109`` those ten, ``3,7,100-109`` those twelve.

    Raises:
        OptionError: the text is none of these, or a seed is there twice.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1 and _is_seed(parts[0]):
        return _seed_range(text, 0, int(parts[0]) - 1)
    seeds: list[int] = []
    for part in parts:
        first, dash, last = part.partition("-")
        if not _is_seed(first) or (dash and not _is_seed(last)):
            raise OptionError(
                f"seeds are {text!r}, expected a count (10 means 0 to 9), a range (100-109) or a "
                f"list (3,7,11) of numbers up to {MAX_SEED}"
            )
        seeds.extend(_seed_range(text, int(first), int(last or first)))
    return check_seeds(seeds)


def check_seeds(seeds: int | Iterable[int]) -> tuple[int, ...]:
    """The seeds as a tuple; a number stands for so many from 0.

    Raises:
        OptionError: there are none, one is not a whole number from 0, or is there twice.
    """
    if isinstance(seeds, bool | str) or not (
        isinstance(seeds, Iterable) or hasattr(seeds, "__index__")
    ):
        raise OptionError(f"seeds are {seeds!r}, expected how many, or a list of whole numbers")
    if not isinstance(seeds, Iterable):
        if not 1 <= seeds <= MAX_SEEDS:
            raise OptionError(
                f"seeds are {seeds}, no seeds or too many: expected 1 to {MAX_SEEDS:,}"
            )
        return tuple(range(seeds))
    given = tuple(seeds)
    if not given:
        raise OptionError("no seeds, expected at least one")
    for seed in given:
        is_whole = hasattr(seed, "__index__") and not isinstance(seed, bool)
        if not is_whole or not 0 <= seed <= MAX_SEED:
            raise OptionError(f"seed is {seed!r}, expected a whole number from 0 to {MAX_SEED}")
    checked = tuple(map(operator.index, given))
    repeated = [seed for seed, count in _counts(checked).items() if count > 1]
    if repeated:
        raise OptionError(f"seed {repeated[0]} is there twice")
    return checked


def parse_cluster(text: str) -> Cluster:
    """A cluster from ``preset`` or ``path/to/file.toml``, also with ``:key=value+key=value``.

    ``none`` stands for an absent value, as in ``inmemory-32:memory_bytes=none``.

    Raises:
        ClusterError: no such preset, file or key, or a value that the key cannot have.
    """
    name, _, tail = text.partition(":")
    if "=" in name:
        raise ClusterError(
            f"cluster {text!r}: changes stand behind a colon, joined by +, as in "
            "inmemory-32:memory_bytes=4e9+executors_per_node=16"
        )
    is_file = name.strip().endswith(".toml")
    cluster = read_cluster(Path(name.strip())) if is_file else preset(name.strip())
    hints = get_type_hints(Cluster)
    changes: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in tail.split("+"))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise ClusterError(f"cluster {text!r}: {part!r} is not key=value")
        if key in changes:
            raise ClusterError(f"cluster {text!r}: {key} is given twice")
        if key not in hints:
            raise ClusterError(
                f"cluster {text!r}: no key {key!r}, there are {', '.join(hints)}"
                + did_you_mean(key, hints)
            )
        if key == "outages":
            raise ClusterError(f"cluster {text!r}: outages are given in a file, see docs/design.md")
        try:
            changes[key] = parse_value(value, hints[key])
        except ValueError as error:
            raise ClusterError(
                f"cluster {text!r}: {key} is {value!r}, expected {error}{_unit(key)}"
            ) from None
    return cluster.replace(**changes)


def _unit(key: str) -> str:
    """What a number of this name counts."""
    if "bytes" in key:
        return f"; {'bytes a second' if key.endswith('_per_s') else 'bytes'}, 4e9 for 4 GB"
    return "; microseconds, 1e6 for 1 s" if key.endswith("_us") else ""


def parse_numbers(text: str) -> tuple[float, ...]:
    """Numbers separated by commas.

    Raises:
        OptionError: a part is not a finite number, or is there twice.
    """
    numbers = []
    for part in text.split(","):
        try:
            number = float(part)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise OptionError(f"{part.strip()!r} in {text!r} is not a number")
        numbers.append(number)
    if len(set(numbers)) < len(numbers):
        raise OptionError(f"a number is there twice in {text!r}")
    return tuple(numbers)


def parse_schedulers(text: str) -> tuple[str, ...]:
    """Scheduler texts separated by commas.

    Raises:
        OptionError: there is none, or one is there twice.
    """
    return check_schedulers(check_scheduler_text(part.strip()) for part in text.split(","))


def check_scheduler_text(text: str) -> str:
    """A scheduler's text as it is.

    Raises:
        OptionError: it is written in one of the ways that come to mind, but not as it must be.
    """
    name, colon, tail = text.partition(":")
    if "," in text:
        raise OptionError(f"{text!r} is a list, expected one scheduler; compare takes several")
    if "=" in name and ".py" not in name:
        raise OptionError(
            f"{name!r} is no scheduler: parameters stand behind a scheduler's name and a colon, "
            "joined by +, as in srpt:size=history+share=2"
        )
    if colon and "=" not in tail and Path(f"{name}.py").is_file():
        raise OptionError(f"no scheduler {name!r}; for a class in a file: {name}.py:{tail}")
    return text


def check_schedulers(schedulers: Iterable[str | type[Scheduler]]) -> tuple[str, ...]:
    """The texts as a tuple; a class stands for its name, see ``sim.registry.registered_name``.

    Raises:
        OptionError: there is none, one is empty or not a text, or one is there twice.
    """
    if not isinstance(schedulers, Iterable):
        schedulers = (schedulers,)
    names = tuple(
        registered_name(scheduler) if isinstance(scheduler, type) else scheduler
        for scheduler in schedulers
    )
    for name in names:
        if not isinstance(name, str):
            raise OptionError(
                f"scheduler is {name!r}, expected a text such as 'fair' or "
                "'path/to/file.py:ClassName', or a class"
            )
    if not names or not all(names):
        raise OptionError("an empty scheduler name, expected names separated by commas")
    for name, count in _counts(names).items():
        if count > 1:
            raise OptionError(f"scheduler {name!r} is there twice")
    return names


def parse_grid(text: str) -> dict[str, tuple[str, ...]]:
    """Values by parameter from ``share=0.5,1,2+size=estimate,history``.

    Raises:
        OptionError: a part is not ``parameter=value,value``.
    """
    grid: dict[str, tuple[str, ...]] = {}
    for part in text.split("+"):
        key, equals, tail = part.partition("=")
        values = tuple(value.strip() for value in tail.split(","))
        if not equals or not key.strip() or not all(values):
            raise OptionError(f"grid {text!r}: {part!r} is not parameter=value,value,…")
        if key.strip() in grid or len(set(values)) < len(values):
            raise OptionError(f"grid {text!r}: {part!r} repeats something")
        grid[key.strip()] = values
    return grid


def grid_specs(scheduler: str, grid: Mapping[str, Sequence[object]]) -> tuple[str, ...]:
    """Every combination of a grid as a scheduler text, the last parameter varying fastest."""
    joint = "+" if split_text(scheduler)[1] else ":"
    return tuple(
        scheduler
        + joint
        + "+".join(f"{key}={_grid_value(value)}" for key, value in zip(grid, values, strict=True))
        if grid
        else scheduler
        for values in itertools.product(*grid.values())
    )


def text_of(rule: str, parameters: Mapping[str, str]) -> str:
    """A scheduler's text; the opposite of ``sim.registry.split_text``."""
    joined = "+".join(f"{key}={value}" for key, value in parameters.items())
    return f"{rule}:{joined}" if joined else rule


def _grid_value(value: object) -> str:
    return "none" if value is None else str(value)


def _is_seed(text: str) -> bool:
    return text.isdecimal() and len(text) < 20 and int(text) <= MAX_SEED


def _seed_range(text: str, first: int, last: int) -> tuple[int, ...]:
    if not 0 < last - first + 1 <= MAX_SEEDS:
        raise OptionError(f"seeds are {text!r}, expected 1 to {MAX_SEEDS:,} of them, ascending")
    return tuple(range(first, last + 1))


def _counts(values: Iterable[Any]) -> dict[Any, int]:
    counts: dict[Any, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts
