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
MAX_DOCUMENT_BYTES = 1 << 28
MAX_STAGES = 1000
MAX_TIMES = 5_000_000
"""Recorded times of one query; a pickle may name one list many times."""
MAX_MS = 1e8
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

    def cleaned(self) -> Stage:
        """As both published simulators use it.

        Fresh tasks are recorded twice and taken out of the first wave, and where that is empty
        then, it is the one of the next smaller number of executors.
        """
        first: dict[int, Sequence[float]] = {}
        previous: Sequence[float] = ()
        for executors in sorted(self.first):
            fresh = Counter(self.fresh.get(executors, ()))
            kept = []
            for time in self.first[executors]:
                if fresh[time] > 0:
                    fresh[time] -= 1
                else:
                    kept.append(time)
            first[executors] = previous = kept or previous
        return replace(self, first=first)

    def times(self) -> list[float]:
        """All recorded times, ms."""
        lists = (*self.fresh.values(), *self.first.values(), *self.rest.values())
        return [time for one in lists for time in one]


@dataclass(frozen=True)
class Profile:
    """One query at one size: its stages and which of them needs which (producer, consumer)."""

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
    return list(_directory(path) if path.is_dir() else _document(path))


class _Stage(msgspec.Struct):
    durations: dict[str, dict[int, list[float]]]


class _Profile(msgspec.Struct):
    edges: list[tuple[int, int]]
    stages: list[_Stage]


class _Document(msgspec.Struct):
    profiles: dict[str, dict[int, _Profile]]


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
    if not any(document.profiles.values()):
        raise TraceError(f"{path}: profiles: there are none")
    for size, queries in document.profiles.items():
        for query, profile in queries.items():
            place = f"{path}: profiles.{size}.{query}"
            stages = [stage.durations for stage in profile.stages]
            yield _profile(size, query, stages, profile.edges, place)


def _directory(path: Path) -> Iterator[Profile]:
    """The profiles in a directory: ``2g/adj_mat_3.npy``, or ``2g_adj_mat_3.npy``."""
    found = []
    for file in itertools.chain(path.glob("*adj_mat_*.npy"), path.glob("*/adj_mat_*.npy")):
        inside = re.fullmatch(r"(?:(\w+)_)?adj_mat_(\d{1,6})\.npy", file.name)
        if inside is not None:
            size = inside[1] or file.parent.name
            found.append((_size_order(size), int(inside[2]), size, file))
    if not found:
        raise TraceError(f"{path}: no adj_mat_*.npy files in this directory")
    for _, query, size, file in sorted(found):
        edges = _edges(read_array(file), file)
        durations = file.with_name(file.name.replace("adj_mat_", "task_duration_"))
        if not durations.exists():
            raise TraceError(f"{file}: {durations.name} is not beside it")
        value = read_object(durations)
        count = len(value) if isinstance(value, dict) else 0
        if not isinstance(value, dict) or set(value) != set(range(count)):
            raise TraceError(f"{durations}: expected times by stage, 0, 1, …")
        stages = [value[index] for index in range(count)]
        yield _profile(size, query, stages, edges, str(durations))


def _size_order(size: str) -> tuple[int, str]:
    digits = re.match(r"\d{1,9}", size)
    return (int(digits[0]) if digits else 0), size


def _edges(matrix: np.ndarray, file: Path) -> list[tuple[int, int]]:
    if matrix.ndim != 2 or len(set(matrix.shape)) > 1 or not 1 <= len(matrix) <= MAX_STAGES:
        raise TraceError(f"{file}: shape {matrix.shape}, expected stages × stages")
    if not np.isin(matrix, (0, 1)).all():
        raise TraceError(f"{file}: expected only 0 and 1, for stages that need another")
    return [(int(producer), int(consumer)) for producer, consumer in np.argwhere(matrix)]


def _profile(
    size: str, query: int, stages: Sequence[Any], edges: Sequence[tuple[int, int]], place: str
) -> Profile:
    """Check the recorded times of a query, whatever they are made of."""
    if not 1 <= len(stages) <= MAX_STAGES:
        raise TraceError(f"{place}: {len(stages)} stages, expected 1 to {MAX_STAGES}")
    room = MAX_TIMES
    checked = []
    for index, durations in enumerate(stages):
        lists = []
        for wave in WAVES:
            where = f"{place}: stage {index}: {wave}"
            if not isinstance(durations, dict) or wave not in durations:
                raise TraceError(f"{where} is missing")
            by_executors = _lists(durations[wave], where, room)
            room -= sum(map(len, by_executors.values()))
            lists.append(by_executors)
        stage = Stage(*lists)
        if not stage.first or stage.num_tasks == 0 or not stage.cleaned().times():
            raise TraceError(f"{place}: stage {index} has no tasks in its first recorded run")
        checked.append(stage)
    return Profile(size, query, tuple(checked), tuple(edges))


def _lists(value: Any, where: str, room: int) -> dict[int, list[float]]:
    if not isinstance(value, dict):
        raise TraceError(f"{where} is {type(value).__name__}, expected times by executors")
    for executors, times in value.items():
        if type(executors) is not int or not 1 <= executors <= 10**6:
            raise TraceError(f"{where}: {_short(executors)} executors, expected 1 to 1,000,000")
        if type(times) is not list:
            raise TraceError(f"{where}.{executors} is {type(times).__name__}, expected a list")
        room -= len(times)
        if room < 0:
            raise TraceError(f"{where}: more than {MAX_TIMES:,} times in one query")
        for time in times:
            if type(time) not in (int, float) or not 0 <= time <= MAX_MS:
                raise TraceError(
                    f"{where}.{executors}: time {_short(time)}, expected 0 to {MAX_MS:g} ms"
                )
    return dict(value)


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, int | float | str) else type(value).__name__
    return text if len(text) <= 40 else f"{text[:40]}…"
