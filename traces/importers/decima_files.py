"""Reading Decima's stage profiles, from ``.npy`` files or a JSON document."""

from __future__ import annotations

import gzip
import itertools
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from traces.errors import TraceError
from traces.importers.npy import read_array, read_object

Lists = Mapping[int, Sequence[float]]
"""Times in ms by number of executors, in the order of the file."""
MAX_DOCUMENT_BYTES = 1 << 25
"""Five times what all sizes and queries take; gzip could make gigabytes of a small file."""
MAX_STAGES = 1000
MAX_TIMES = 10_000_000
"""Times of all queries, after the clean-up, which may repeat a list for each number of executors.
Decima's are 1.6 million."""
MAX_MS = 1e8
UNITS = "milliseconds"
WAVES = ("fresh_durations", "first_wave", "rest_wave")


@dataclass(frozen=True)
class Stage:
    """Recorded times of a stage, as in the file."""

    fresh: Lists
    first: Lists
    rest: Lists

    @property
    def num_tasks(self) -> int:
        """Tasks, as both published simulators count them: those of the first recorded run."""
        run = next(iter(self.first))
        return len(self.first[run]) + len(self.rest.get(run, ()))

    @property
    def num_times(self) -> int:
        """How many times are recorded."""
        return sum(
            len(times) for lists in (self.fresh, self.first, self.rest) for times in lists.values()
        )

    def times(self) -> list[float]:
        """All recorded times, ms."""
        lists = (*self.fresh.values(), *self.first.values(), *self.rest.values())
        return [time for one in lists for time in one]

    def doubles(self, executors: int) -> Counter[float]:
        """Times of fresh tasks that are also in the first wave."""
        return Counter(self.first[executors]) & Counter(self.fresh.get(executors, ()))

    def cleaned(self) -> Stage:
        """As both published simulators use it.

        Fresh tasks are taken out of the first wave, and where that is empty then, it is the one of
        the next smaller number of executors.
        """
        first: dict[int, Sequence[float]] = {}
        previous: Sequence[float] = ()
        for executors in sorted(self.first):
            kept = Counter(self.first[executors]) - self.doubles(executors)
            first[executors] = previous = list(kept.elements()) or previous
        return replace(self, first=first)


@dataclass(frozen=True)
class Profile:
    """One query at one size: its stages and which of them needs which (producer, consumer).

    ``place``: the file that the edges are in, and where.
    """

    place: str
    size: str
    query: int
    stages: tuple[Stage, ...]
    edges: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        """The plan's name: ``tpch-10g-q6``."""
        return f"tpch-{self.size}-q{self.query}"


def read_profiles(path: Path) -> list[Profile]:
    """The profiles in a directory of ``.npy`` files, or in the JSON document, plain or gzip.

    Raises:
        TraceError: naming the file and the place of what is wrong.
    """
    profiles = []
    room = MAX_TIMES
    for profile in _directory(path) if path.is_dir() else _document(path):
        room -= sum(stage.cleaned().num_times for stage in profile.stages)
        if room < 0:
            raise TraceError(f"{profile.place}: more than {MAX_TIMES:,} times up to here")
        profiles.append(profile)
    return profiles


class _Stage(msgspec.Struct):
    durations: dict[str, dict[int, list[float]]]


class _Profile(msgspec.Struct):
    edges: list[tuple[int, int]]
    stages: list[_Stage]


class _Document(msgspec.Struct):
    profiles: dict[str, dict[int, _Profile]]
    units: str = UNITS


def _document(path: Path) -> Iterator[Profile]:
    """The profiles in a JSON document."""
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if is_gzip else raw
            content = stream.read(MAX_DOCUMENT_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TraceError(f"{path}: truncated or damaged gzip data ({error})") from None
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror or error})") from None
    if len(content) > MAX_DOCUMENT_BYTES:
        raise TraceError(f"{path}: larger than {MAX_DOCUMENT_BYTES:,} bytes")
    try:
        document = msgspec.json.decode(content, type=_Document)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TraceError(f"{path}: not a document of stage profiles ({error})") from None
    if document.units != UNITS:
        raise TraceError(f"{path}: units: {_short(document.units)}, expected {UNITS!r}")
    if not any(document.profiles.values()):
        raise TraceError(f"{path}: profiles: there are none")
    for size, queries in document.profiles.items():
        for query, profile in queries.items():
            place = f"{path}: profiles.{size}.{query}"
            stages = _stages([stage.durations for stage in profile.stages], place)
            yield Profile(place, size, query, stages, tuple(profile.edges))


def _directory(path: Path) -> Iterator[Profile]:
    """The profiles in a directory: ``2g/adj_mat_3.npy``, or ``2g_adj_mat_3.npy``."""
    found: dict[tuple[str, int], Path] = {}
    for file in itertools.chain(path.glob("*adj_mat_*.npy"), path.glob("*/adj_mat_*.npy")):
        inside = re.fullmatch(r"(?:(\w+)_)?adj_mat_(\d{1,6})\.npy", file.name)
        if inside is not None:
            key = (inside[1] or file.parent.resolve().name, int(inside[2]))
            if found.setdefault(key, file) != file:
                raise TraceError(f"{file}: query {key[1]} at {key[0]} is also in {found[key]}")
    if not found:
        raise TraceError(f"{path}: no adj_mat_*.npy files in this directory")
    for size, query in sorted(found, key=_order):
        file = found[size, query]
        matrix = read_array(file)
        edges = _edges(matrix, file)
        durations = file.with_name(file.name.replace("adj_mat_", "task_duration_"))
        if not durations.exists():
            raise TraceError(f"{file}: {durations.name} is not beside it")
        value = read_object(durations)
        if not isinstance(value, dict) or set(value) != set(range(len(matrix))):
            raise TraceError(
                f"{durations}: expected a dictionary by stage, 0 to {len(matrix) - 1}, as "
                f"{file.name} has them"
            )
        stages = _stages([value[index] for index in range(len(matrix))], str(durations))
        yield Profile(str(file), size, query, stages, edges)


def _order(key: tuple[str, int]) -> tuple[int, str, int]:
    size, query = key
    digits = re.match(r"\d{1,9}", size)
    return int(digits[0]) if digits else 0, size, query


def _edges(matrix: np.ndarray, file: Path) -> tuple[tuple[int, int], ...]:
    if matrix.ndim != 2 or len(set(matrix.shape)) > 1 or not 1 <= len(matrix) <= MAX_STAGES:
        raise TraceError(f"{file}: shape {matrix.shape}, expected stages × stages")
    if not np.isin(matrix, (0, 1)).all():
        raise TraceError(f"{file}: expected only 0 and 1, for stages that need another")
    return tuple((int(producer), int(consumer)) for producer, consumer in np.argwhere(matrix))


def _stages(stages: Sequence[Any], place: str) -> tuple[Stage, ...]:
    """Check the recorded times of a query, whatever they are made of."""
    if not 1 <= len(stages) <= MAX_STAGES:
        raise TraceError(f"{place}: {len(stages)} stages, expected 1 to {MAX_STAGES}")
    checked = []
    for index, durations in enumerate(stages):
        lists = []
        for wave in WAVES:
            where = f"{place}: stage {index}: {wave}"
            if not isinstance(durations, dict) or wave not in durations:
                raise TraceError(f"{where} is missing")
            lists.append(_lists(durations[wave], where))
        stage = Stage(*lists)
        if not stage.first or stage.num_tasks == 0:
            raise TraceError(f"{place}: stage {index} has no tasks in its first recorded run")
        checked.append(stage)
    return tuple(checked)


def _lists(value: Any, where: str) -> dict[int, list[float]]:
    if not isinstance(value, dict):
        raise TraceError(f"{where} is {type(value).__name__}, expected times by executors")
    for executors, times in value.items():
        if type(executors) is not int or not 1 <= executors <= 10**6:
            raise TraceError(f"{where}: {_short(executors)} executors, expected 1 to 1,000,000")
        if type(times) is not list:
            raise TraceError(f"{where}.{executors} is {type(times).__name__}, expected a list")
        for time in times:
            if type(time) not in (int, float) or not 0 <= time <= MAX_MS:
                raise TraceError(
                    f"{where}.{executors}: time {_short(time)}, expected 0 to {MAX_MS:g} ms"
                )
    return dict(value)


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, int | float | str) else type(value).__name__
    return text if len(text) <= 40 else f"{text[:40]}…"
