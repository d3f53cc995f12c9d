"""Mutated files: every importer must end in a trace or in a ``TraceError``, whatever it reads."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

from traces import Trace, TraceError, TraceStream

EXTREMES = (
    b"0", b"-1", b"1e999", b"-1e308", b"NaN", b"null", b'""', b"[]", b"{}", b"true",
    b"99999999999999999999999", b"9223372036854775808", b"0.5", b"\xff\xfe", b"'; DROP TABLE x; --",
)  # fmt: skip
"""What numbers and words are replaced by."""


def mutated(data: bytes, seed: int) -> bytes:
    """A file with one to four mutations: of bytes, numbers, words, lines, or its end.

    Plain random choices rather than strategies: thousands of them a second, each known by its seed.
    """
    draw = random.Random(seed)
    for _ in range(draw.randint(1, 4)):
        data = draw.choice(MUTATIONS)(data, draw)
    return data


def check_fuzzed(
    read: Callable[[Path], Trace | TraceStream],
    data: bytes,
    folder: Path,
    name: str,
    num_files: int,
    first_seed: int = 0,
) -> int:
    """Feed mutated files to an importer; the number of those that still gave a trace.

    ``read`` gets the path of a file called ``name``. Everything that is not a trace must be a
    ``TraceError`` that names the file.
    """
    path = folder / name
    num_traces = 0
    for seed in range(first_seed, first_seed + num_files):
        path.write_bytes(mutated(data, seed))
        try:
            trace = read(path)
            if isinstance(trace, TraceStream):
                trace = trace.load()
        except TraceError as error:
            if name not in str(error):
                raise AssertionError(f"seed {seed}: no place in {error}") from error
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
        else:
            assert isinstance(trace, Trace)
            num_traces += 1
    return num_traces


def _flip(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) or 1)
    return data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]


def _truncate(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data) or 1)]


def _insert(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) or 1)
    return data[:at] + draw.randbytes(draw.randint(1, 8)) + data[at:]


def _delete(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) or 1)
    return data[:at] + data[at + draw.randint(1, 16) :]


def _splice(data: bytes, draw: random.Random) -> bytes:
    start, at = (draw.randrange(len(data) or 1) for _ in range(2))
    return data[:at] + data[start : start + draw.randint(1, 64)] + data[at:]


def _replace(pattern: bytes) -> Callable[[bytes, random.Random], bytes]:
    def mutate(data: bytes, draw: random.Random) -> bytes:
        found = list(re.finditer(pattern, data))
        if not found:
            return data
        one = draw.choice(found)
        return data[: one.start()] + draw.choice(EXTREMES) + data[one.end() :]

    return mutate


def _lines(data: bytes, draw: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    at, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    kind = draw.randrange(3)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(other, lines[at])
    else:
        lines[at], lines[other] = lines[other], lines[at]
    return b"".join(lines)


MUTATIONS = (
    _flip,
    _truncate,
    _insert,
    _delete,
    _splice,
    _replace(rb"-?\d+(\.\d+)?"),
    _replace(rb"[A-Za-z_]{2,}"),
    _lines,
)
