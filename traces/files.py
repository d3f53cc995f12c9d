"""Trace files and the traces that come with the package."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import os
from importlib import resources
from pathlib import Path
from typing import cast

import msgspec

from traces.errors import TraceError, did_you_mean
from traces.model import Trace
from traces.output import atomic_file
from traces.reader import FORMAT, VERSION, Header, TraceReader
from traces.stream import TraceStream


def load(name_or_path: str | os.PathLike[str]) -> Trace:
    """A shipped trace by name (``tpch``), or a trace file by path.

    Raises:
        TraceError: there is no such trace, or the file is not a valid trace.
    """
    return read(_path(name_or_path))


def shipped_names() -> list[str]:
    """Names of the traces that come with the package."""
    return sorted(path.name.split(".")[0] for path in _shipped_directory().glob("*.jsonl.gz"))


def read(path: str | os.PathLike[str]) -> Trace:
    """Read and validate a trace file.

    Raises:
        TraceError: naming file, line and field of the first thing that is wrong.
    """
    name = os.fspath(path)
    reader = TraceReader(name)
    header, queries = reader.header, tuple(reader.queries())
    try:
        return Trace(
            name=header.name,
            plans=tuple(reader.plans),
            queries=queries,
            description=header.description,
            source=header.source,
        )
    except ValueError as error:
        raise TraceError(f"{name}: {error}") from None


def open_stream(name_or_path: str | os.PathLike[str]) -> TraceStream:
    """A trace as ``load`` finds it, whose queries are read from the file as they are needed.

    Raises:
        TraceError: as ``load``; what is wrong with a query, once it is reached.
    """
    name = os.fspath(_path(name_or_path))
    reader = TraceReader(name)
    header = reader.header
    return TraceStream(
        header.name,
        reader.plans,
        header.num_queries,
        reader.queries(),
        header.description,
        header.source,
        is_checked=True,
    )


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


def _path(name_or_path: str | os.PathLike[str]) -> Path:
    text = os.fspath(name_or_path)
    if text in shipped_names():
        return _shipped_directory() / f"{text}.jsonl.gz"
    if Path(text).exists():
        return Path(text)
    raise TraceError(
        f"no trace {text!r}: neither a file nor one of the shipped traces "
        f"({', '.join(shipped_names())}){did_you_mean(text, shipped_names())}"
    )
