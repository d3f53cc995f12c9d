"""Query streams of the Cloud Analytics Benchmark: JSON files, one a stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from traces.errors import TraceError
from traces.importers.cab_queries import UPDATE, UPDATE_TIME, Submission, plan_name
from traces.importers.fleet import TRUST
from traces.importers.table_files import file_start
from traces.model import Trace
from traces.reader import UNREADABLE

DAY_MS = 86_400_000
MAX_DAYS = 31
"""Streams last an hour or a day; where queries arrive after this, times are not in milliseconds."""


class _Arrival(msgspec.Struct):
    query_id: int
    start: float


class _Stream(msgspec.Struct):
    database_id: int
    scale_factor: float
    queries: list[_Arrival]


def is_stream(path: Path) -> bool:
    """Whether a file holds JSON.

    Raises:
        TraceError: it cannot be read.
    """
    return file_start(path).lstrip().startswith(b"{")


def read_streams(
    paths: Sequence[Path], plans: Trace, trust_units: bool
) -> tuple[list[Submission], dict[str, str]]:
    """The queries of streams, their sizes by scale factor, and what people should know of them.

    Raises:
        TraceError: a file is not a stream, or two are the same.
    """
    try:
        captured_at = float(plans.source.get("scale_factor", ""))
    except ValueError:
        captured_at = math.nan
    if not 0 < captured_at < math.inf:
        raise TraceError(
            f"trace {plans.name!r} does not say the scale factor of its plans, which the sizes of "
            "a stream need; `lsched capture duckdb --benchmark tpch` records it"
        )
    files: dict[int, Path] = {}
    submissions = []
    for path in paths:
        stream = _read(path)
        if (other := files.setdefault(stream.database_id, path)) is not path:
            raise TraceError(f"{path}: stream {stream.database_id} is also in {other}")
        for index, query in enumerate(stream.queries):
            try:
                plan_name(query.query_id)
            except TraceError as error:
                raise TraceError(f"{path}: queries[{index}]: {error}") from None
            if query.start < 0 or (query.start > MAX_DAYS * DAY_MS and not trust_units):
                raise TraceError(
                    f"{path}: queries[{index}]: start is {query.start}, expected ms from 0 to "
                    f"{MAX_DAYS} days {TRUST}"
                )
            submissions.append(
                Submission(
                    stream=str(stream.database_id),
                    number=query.query_id,
                    arrival_us=round(1e3 * query.start),
                    size_factor=stream.scale_factor / captured_at,
                    time_factor=UPDATE_TIME if query.query_id == UPDATE else 1.0,
                )
            )
    return submissions, {
        "streams": f"{len(files):,}",
        "sizes": f"scale factor ÷ {captured_at:g}, that of the plans",
    }


def _read(path: Path) -> _Stream:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Stream)
    except UNREADABLE as error:
        raise TraceError(f"{path}: not a query stream ({error})") from None
