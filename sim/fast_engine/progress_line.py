"""A line that says what takes so long the first time: compiling."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import event

from sim.fast_engine.compile import num_compiled_functions

ENGINE = "the fast engine"

_announced: set[str] = set()
"""What has been said in this process: an engine has several parts that compile."""


class _Line(event.Listener):
    """Counts functions that are compiled, on standard error."""

    def __init__(self, what: str) -> None:
        self._message = f"compiling {what}, once for this installation"
        self._started = time.perf_counter()
        self._num_begun = 0

    def on_start(self, event: Any) -> None:
        """A function is about to be compiled."""
        if not (sys.stderr.isatty() or self._message in _announced):
            print(f"{self._message} (about a minute)", file=sys.stderr, flush=True)
            _announced.add(self._message)
        self._num_begun += 1
        if sys.stderr.isatty():
            total = num_compiled_functions()
            done = min(self._num_begun, total)
            print(
                f"\r{self._message}: {done} of {total} functions",
                end="",
                file=sys.stderr,
                flush=True,
            )

    def on_end(self, event: Any) -> None:
        """It is compiled."""

    def close(self) -> None:
        """End the line, if there is one."""
        if self._num_begun and sys.stderr.isatty():
            print(f", {time.perf_counter() - self._started:.0f} s", file=sys.stderr, flush=True)


@contextmanager
def showing_progress(what: str = ENGINE) -> Iterator[None]:
    """Show a line while something is compiled here; nothing where it is found on disk."""
    line = _Line(what)
    with event.install_listener("numba:compile", line):
        yield
    line.close()
