"""Reading Spark event logs: JSON Lines, plain, gzipped, or in the parts of a rolling log."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from traces.errors import TraceError
from traces.importers.spark_events import EVENTS, Event

MAX_LINE_BYTES = 1 << 28
TAG = re.compile(rb'\s*\{\s*"Event"\s*:\s*"([^"\\]*)"')
"""How Spark begins each line, so that lines of no interest need not be parsed."""
PART = re.compile(r"events_(\d+)_.*?(\.compact)?")
COMPRESSION = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"LZ4Block": "LZ4",
    b"\x82SNAPPY": "Snappy",
    b"ZV": "LZF",
}
"""Spark's codecs by how their files begin."""
DECODERS = {name.encode(): msgspec.json.Decoder(kind) for name, kind in EVENTS.items()}


class _Tagged(msgspec.Struct, rename={"event": "Event"}):
    event: str


class EventLog:
    """The log of one application, read once, line by line.

    Args:
        path: a file, or the directory of a rolling log (``eventlog_v2_…``).

    Attributes:
        place: the file and line of the last event.
        is_cut: whether the last line is incomplete: the application still ran, or was killed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path
        self._line = 0
        self.is_cut = False

    @property
    def place(self) -> str:
        """The file and line of the last event."""
        return f"{self._file}:{self._line}"

    def events(self) -> Iterator[Event]:
        """The events that matter here, in order.

        Raises:
            TraceError: a file cannot be read, or a line is not an event.
        """
        is_empty = True
        for file in _files(self._path):
            if self.is_cut:
                raise TraceError(
                    f"{self.place}: ends in the middle of an event, but is not the last"
                )
            self._file, self._line = file, 0
            for line in self._lines():
                is_empty = False
                if (event := self._event(line)) is not None:
                    yield event
        if is_empty:
            raise TraceError(f"{self._path}: no events; expected a Spark event log")

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._file.open("rb") as raw:
                start = raw.peek(8)
                for magic, codec in COMPRESSION.items():
                    if start.startswith(magic):
                        raise TraceError(
                            f"{self._file}: compressed with {codec}; expected JSON Lines, plain "
                            "or gzipped. Decompress it first"
                        )
                is_gzip = start.startswith(b"\x1f\x8b")
                stream = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if is_gzip else raw
                mark = codecs.BOM_UTF8
                while line := stream.readline(MAX_LINE_BYTES + 1):
                    self._line += 1
                    if len(line) > MAX_LINE_BYTES:
                        raise TraceError(f"{self.place}: longer than {MAX_LINE_BYTES} bytes")
                    line = line.removeprefix(mark)
                    mark = b""
                    if line.strip():
                        yield line
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise TraceError(
                f"{self._file}: truncated or damaged gzip data after line {self._line} ({error})"
            ) from None
        except OSError as error:
            raise TraceError(f"{self._file}: cannot be read ({error.strerror or error})") from None

    def _event(self, line: bytes) -> Event | None:
        found = TAG.match(line)
        try:
            tag = found[1] if found else msgspec.json.decode(line, type=_Tagged).event.encode()
            decoder = DECODERS.get(tag)
            return decoder.decode(line) if decoder is not None else None
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            if self._line > 1 and not line.endswith(b"\n"):
                self.is_cut = True
                return None
            what = "" if found else "not a Spark event: "
            raise TraceError(f"{self.place}: {what}{error}") from None


def _files(path: Path) -> list[Path]:
    """The file itself, or the parts of a rolling log in order, from the last compacted one on."""
    try:
        if not path.is_dir():
            return [path]
        names = [file.name for file in path.iterdir()]
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror or error})") from None
    parts = sorted(
        (int(found[1]), found[2] is not None, name)
        for name in names
        if (found := PART.fullmatch(name))
    )
    if not parts:
        raise TraceError(
            f"{path}: no events_N_… files in this directory; expected a rolling event log. Give "
            "other logs as files"
        )
    compacted = [index for index, part in enumerate(parts) if part[1]]
    return [path / name for _, _, name in parts[compacted[-1] if compacted else 0 :]]
