"""Reading a trace file record by record.

JSON Lines, gzip-compressed or not: one header record, then the plans, then the queries in arrival
order. The header says how many of each there are, so a truncated file is noticed. Nothing that is
read is executed.
"""

from __future__ import annotations

import codecs
import gzip
import io
import reprlib
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from traces.errors import TraceError
from traces.model import Plan, Query, QueryCheck

FORMAT = "lsched-trace"
VERSION = 1
MAX_LINE_BYTES = 1 << 28
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


class Header(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag="header",
    tag_field="record",
):
    """First record of a trace file."""

    format: str
    version: int
    name: str
    num_plans: int
    num_queries: int
    description: str = ""
    source: dict[str, str] = {}


class TraceReader:
    """A trace file that is open: its header and plans, and then its queries one at a time.

    Raises:
        TraceError: naming file, line and field of the first thing that is wrong.

    Attributes:
        plans: all plans.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._decoder: msgspec.json.Decoder[Header | Plan | Query]
        self._decoder = msgspec.json.Decoder(Header | Plan | Query)
        self._number = 0
        self._has_query = False
        self._header: Header | None = None
        self.plans: list[Plan] = []
        self._plan_names: set[str] = set()
        self._check = QueryCheck(self._plan_names)
        self._queries = self._read()
        self._pending = next(self._queries, None)  # all before the first query is read now

    @property
    def header(self) -> Header:
        """The first record."""
        if self._header is None:
            raise TraceError(f"{self._name}:1: empty file, expected a header record")
        return self._header

    def queries(self) -> Iterator[Query]:
        """The queries, once, each checked against those before it.

        Raises:
            TraceError: as for the class, also where the file ends early.
        """
        count, header = 0, self.header
        while self._pending is not None:
            yield self._pending
            count += 1
            self._pending = next(self._queries, None)
        counts = (len(self.plans), count)
        if counts != (header.num_plans, header.num_queries):
            raise TraceError(
                f"{self._name}:{self._number}: the file ends after {counts[0]} plans and "
                f"{counts[1]} queries, the header promises {header.num_plans} and "
                f"{header.num_queries}; is it truncated?"
            )

    def _read(self) -> Iterator[Query]:
        """Every query; the header and the plans are kept."""
        name = self._name
        try:
            for self._number, line in enumerate(_lines(name), start=1):
                if line and (query := self._query_in(line)) is not None:
                    yield query
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise TraceError(f"{name}: truncated or damaged gzip data ({error})") from None
        except IsADirectoryError:
            raise TraceError(
                f"{name}: a directory, expected a trace file (.jsonl or .jsonl.gz)"
            ) from None
        except OSError as error:
            raise TraceError(f"{name}: cannot be read ({error.strerror or error})") from None

    def _query_in(self, line: bytes) -> Query | None:
        """The query of a line; None where it holds the header or a plan."""
        try:
            record = self._decoder.decode(line)
            if self._header is None:
                self._header = _check_header(record)
            elif isinstance(record, Header):
                raise ValueError("a second header record")
            elif isinstance(record, Plan):
                self._add(record)
            else:
                self._check.add(record)
                self._has_query = True
                return record
        except UNREADABLE as error:
            raise TraceError(self._explained(line, error)) from None
        return None

    def _add(self, plan: Plan) -> None:
        if self._has_query:
            raise ValueError("a plan after the first query; plans come before queries")
        if plan.name in self._plan_names:
            raise ValueError(f"name: plan {plan.name!r} is there twice")
        self._plan_names.add(plan.name)
        self.plans.append(plan)

    def _explained(self, line: bytes, error: Exception) -> str:
        place = f"{self._name}:{self._number}"
        if self._header is None and not _has_record(line):
            found = _shown(line, error)
            if self._name.endswith(".gz") and not _is_compressed(self._name):
                found += "; its name ends in .gz, but it is not gzip"
            return (
                f"{place}: not a trace file; expected JSON Lines, a header record first; found "
                f"{found}"
            )
        message = f"{place}: {error}"
        if isinstance(error, msgspec.MsgspecError):
            plan = _plan_name(line)
            if plan is not None and repr(plan) not in message:
                message += f" (plan {plan!r})"
        return message


def _is_compressed(name: str) -> bool:
    with Path(name).open("rb") as raw:
        return raw.read(2) == b"\x1f\x8b"


def _lines(name: str) -> Iterator[bytes]:
    is_compressed = _is_compressed(name)
    with Path(name).open("rb") as raw:
        stream = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if is_compressed else raw
        mark = codecs.BOM_UTF8  # some editors begin a file with it
        while line := stream.readline(MAX_LINE_BYTES):
            line = line.removeprefix(mark)
            mark = b""
            yield line if line.strip() else b""


class _Named(msgspec.Struct, tag="plan", tag_field="record"):
    name: str


def _plan_name(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=_Named).name
    except UNREADABLE:
        return None


def _has_record(line: bytes) -> bool:
    try:
        value = msgspec.json.decode(line)
    except UNREADABLE:
        return False
    return isinstance(value, dict) and "record" in value


def _shown(line: bytes, error: Exception) -> str:
    """What a first line is that is no record."""
    try:
        text = line.decode().strip()
    except UnicodeDecodeError:
        return "binary data"
    if "\0" in text:
        return "binary data"
    why = f" ({error})" if text.startswith("{") else ""
    return reprlib.repr(text) + why


def _check_header(record: Header | Plan | Query) -> Header:
    if not isinstance(record, Header):
        raise ValueError("expected a header record first")
    if record.format != FORMAT:
        raise ValueError(f"format is {record.format!r}, expected {FORMAT!r}")
    if record.version != VERSION:
        raise ValueError(f"version is {record.version}, this release reads version {VERSION}")
    return record
