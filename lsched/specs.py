"""Short texts of the command line and what they mean: seeds, clusters, lists, parameter grids."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_type_hints

from lsched.errors import OptionError
from sim import Cluster, ClusterError, preset
from sim.values import parse_value

MAX_SEEDS = 100_000


def parse_seeds(text: str) -> tuple[int, ...]:
    """``10`` means seeds 0 to 9, ``100-109`` those ten, ``3,7,100-109`` those twelve.

    Raises:
        OptionError: the text is none of these, or a seed is there twice.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1 and parts[0].isdecimal():
        return _seed_range(text, 0, int(parts[0]) - 1)
    seeds: list[int] = []
    for part in parts:
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise OptionError(
                f"seeds are {text!r}, expected a count (10 means 0 to 9), a range (100-109) or a "
                "list (3,7,11)"
            )
        seeds.extend(_seed_range(text, int(first), int(last or first)))
    return check_seeds(seeds)


def check_seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    """The seeds as a tuple.

    Raises:
        OptionError: there are none, one is negative, or one is there twice.
    """
    checked = tuple(seeds)
    if not checked:
        raise OptionError("no seeds, expected at least one")
    for seed in checked:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise OptionError(f"seed is {seed!r}, expected a whole number from 0")
    repeated = [seed for seed, count in _counts(checked).items() if count > 1]
    if repeated:
        raise OptionError(f"seed {repeated[0]} is there twice")
    return checked


def parse_cluster(text: str) -> Cluster:
    """A cluster from ``preset`` or ``preset:key=value+key=value``.

    ``none`` stands for an absent value, as in ``inmemory-32:memory_bytes=none``.

    Raises:
        ClusterError: no such preset or key, or a value that the key cannot have.
    """
    name, _, tail = text.partition(":")
    cluster = preset(name.strip())
    hints = get_type_hints(Cluster)
    changes: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in tail.split("+"))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise ClusterError(f"cluster {text!r}: {part!r} is not key=value")
        if key not in hints:
            raise ClusterError(
                f"cluster {text!r}: no key {key!r}, there are {', '.join(hints)}"
                + did_you_mean(key, hints)
            )
        try:
            changes[key] = parse_value(value, hints[key])
        except ValueError as error:
            raise ClusterError(f"cluster {text!r}: {key} is {value!r}, expected {error}") from None
    return cluster.replace(**changes)


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
    return check_schedulers(part.strip() for part in text.split(","))


def check_schedulers(schedulers: Iterable[str]) -> tuple[str, ...]:
    """The texts as a tuple.

    Raises:
        OptionError: there is none, one is empty, or one is there twice.
    """
    names = tuple(schedulers)
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
    has_parameters = (
        ":" in scheduler.rpartition(".py:")[2] if ".py:" in scheduler else ":" in scheduler
    )
    joint = "+" if has_parameters else ":"
    return tuple(
        scheduler
        + joint
        + "+".join(f"{key}={_grid_value(value)}" for key, value in zip(grid, values, strict=True))
        if grid
        else scheduler
        for values in itertools.product(*grid.values())
    )


def _grid_value(value: object) -> str:
    return "none" if value is None else str(value)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` where something known is close to what was given, else nothing."""
    close = difflib.get_close_matches(given, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _seed_range(text: str, first: int, last: int) -> tuple[int, ...]:
    if not 0 < last - first + 1 <= MAX_SEEDS:
        raise OptionError(f"seeds are {text!r}, expected 1 to {MAX_SEEDS:,} of them, ascending")
    return tuple(range(first, last + 1))


def _counts(values: Iterable[Any]) -> dict[Any, int]:
    counts: dict[Any, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts
