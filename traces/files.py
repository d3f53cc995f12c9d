"""Reading and writing trace files.

JSON Lines, gzip-compressed when the name ends in ``.gz``: one header record, then the plans, then
the queries in arrival order. The header says how many of each there are, so a truncated file is
noticed. Nothing that is read is executed.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import itertools
import os
import zlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import cast

import msgspec

from traces.errors import TraceError, did_you_mean
from traces.model import Plan, Query, QueryCheck, Trace
from traces.output import atomic_file
from traces.stream import TraceStream

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


def load(name_or_path: str | os.PathLike[str]) -> Trace:
    """A shipped trace by name (``tpch``), or a trace file by path.

    Raises:
        TraceError: there is no such trace, or the file is not a valid trace.
    """
    text = os.fspath(name_or_path)
    if text in shipped_names():
        return read(_shipped_directory() / f"{text}.jsonl.gz")
    if Path(text).exists():
        return read(Path(text))
    raise TraceError(
        f"no trace {text!r}: neither a file nor one of the shipped traces "
        f"({', '.join(shipped_names())}){did_you_mean(text, shipped_names())}"
    )


def shipped_names() -> list[str]:
    """Names of the traces that come with the package."""
    return sorted(path.name.split(".")[0] for path in _shipped_directory().glob("*.jsonl.gz"))


def read(path: str | os.PathLike[str]) -> Trace:
    """Read and validate a trace file.

    Raises:
        TraceError: naming file, line and field of the first thing that is wrong.
    """
    name = os.fspath(path)
    try:
        return _parse(name, _lines(name))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TraceError(f"{name}: truncated or damaged gzip data ({error})") from None
    except OSError as error:
        raise TraceError(f"{name}: cannot be read ({error.strerror or error})") from None


def write(trace: Trace | TraceStream, path: str | os.PathLike[str]) -> None:
    """Write a trace, under its final name only once it is complete.

    The same trace gives the same bytes. A name that ends in ``.gz`` is compressed. The queries of
    a stream are taken one at a time.

    Raises:
        TraceError: a stream's queries do not fit together, or are not as many as it said.
    """
    encoder = msgspec.json.Encoder(order="deterministic")
    header = Header(
        format=FORMAT,
        version=VERSION,
        name=trace.name,
        num_plans=len(trace.plans),
        num_queries=trace.num_queries,
        description=trace.description,
        source=trace.source,
    )
    with atomic_file(path) as raw, contextlib.ExitStack() as closing:
        out = raw
        if os.fspath(path).endswith(".gz"):
            packed = gzip.GzipFile("", "wb", 6, raw, mtime=0)
            out = closing.enter_context(io.BufferedWriter(cast(io.RawIOBase, packed), 1 << 17))
        for record in itertools.chain((header, *trace.plans), trace.queries):
            out.write(encoder.encode(record) + b"\n")


def _shipped_directory() -> Path:
    return Path(str(resources.files("traces"))) / "data"


def _lines(name: str) -> Iterator[bytes]:
    with Path(name).open("rb") as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if is_gzip else raw
        mark = codecs.BOM_UTF8  # some editors begin a file with it
        while line := stream.readline(MAX_LINE_BYTES):
            line = line.removeprefix(mark)
            mark = b""
            yield line if line.strip() else b""


def _parse(name: str, lines: Iterator[bytes]) -> Trace:
    decoder = msgspec.json.Decoder(Header | Plan | Query)
    header: Header | None = None
    plans: list[Plan] = []
    queries: list[Query] = []
    plan_names: set[str] = set()
    check = QueryCheck(plan_names)
    number = 0
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            record = decoder.decode(line)
            if header is None:
                header = _check_header(record)
            elif isinstance(record, Header):
                raise ValueError("a second header record")
            elif isinstance(record, Plan):
                if queries:
                    raise ValueError("a plan after the first query; plans come before queries")
                if record.name in plan_names:
                    raise ValueError(f"name: plan {record.name!r} is there twice")
                plan_names.add(record.name)
                plans.append(record)
            else:
                check.add(record)
                queries.append(record)
        except UNREADABLE as error:
            message = f"{name}:{number}: {error}"
            if header is None and not _has_record(line):
                message = (
                    f"{name}:{number}: not a trace file; expected JSON Lines, a header record "
                    f"first ({error})"
                )
            elif isinstance(error, msgspec.MsgspecError):
                plan = _plan_name(line)
                if plan is not None and repr(plan) not in message:
                    message += f" (plan {plan!r})"
            raise TraceError(message) from None
    if header is None:
        raise TraceError(f"{name}:1: empty file, expected a header record")
    counts = (len(plans), len(queries))
    if counts != (header.num_plans, header.num_queries):
        raise TraceError(
            f"{name}:{number}: the file ends after {counts[0]} plans and {counts[1]} queries, the "
            f"header promises {header.num_plans} and {header.num_queries}; is it truncated?"
        )
    try:
        return Trace(
            name=header.name,
            plans=tuple(plans),
            queries=tuple(queries),
            description=header.description,
            source=header.source,
        )
    except ValueError as error:
        raise TraceError(f"{name}: {error}") from None


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


def _check_header(record: Header | Plan | Query) -> Header:
    if not isinstance(record, Header):
        raise ValueError("expected a header record first")
    if record.format != FORMAT:
        raise ValueError(f"format is {record.format!r}, expected {FORMAT!r}")
    if record.version != VERSION:
        raise ValueError(f"version is {record.version}, this release reads version {VERSION}")
    return record
