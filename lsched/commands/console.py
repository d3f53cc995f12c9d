"""Where subcommands print: tables on standard output, progress and failures on standard error."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console

from lsched.compare import Comparison
from lsched.errors import IncompleteError, missing_runs
from lsched.runner import Progress
from lsched.tables import duration

PIPED_WIDTH = 100
BAR_EVERY_S = 0.1
LINE_EVERY_S = 30.0
WINDOW = 10
"""Lines over which the speed is taken that the estimate of the time left rests on."""


class _Trimmed:
    """A stream without blanks at the ends of lines, which tables are filled up with."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(re.sub(r" +$", "", text, flags=re.MULTILINE))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Output(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would exit with code 1


def output_console() -> Console:
    """Standard output; 100 columns where it is not a terminal."""
    console = _Output(highlight=False, markup=False)
    if not console.is_terminal:
        file: Any = _Trimmed(sys.stdout)
        console = _Output(file=file, highlight=False, markup=False, width=PIPED_WIDTH)
    return console


@contextmanager
def progress_bar(description: str) -> Iterator[Progress]:
    """Progress on standard error: a bar on a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        yield ProgressLines(description)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with RichProgress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task(description, total=None)
        due_s = 0.0

        def show(done: int, total: int) -> None:
            nonlocal due_s
            now_s = time.monotonic()
            if now_s >= due_s or done == total:
                due_s = now_s + BAR_EVERY_S
                bar.update(task, completed=done, total=total)

        yield show


class ProgressLines:
    """A line each half minute: how far it is, and how long it still takes at the recent speed.

    What ends within half a minute says nothing. Speed counts from the first run that is done: that
    one may have waited for the engine to be compiled.
    """

    def __init__(self, description: str) -> None:
        self._description = description
        self._due_s = time.monotonic() + LINE_EVERY_S
        self._recent: deque[tuple[float, int]] = deque(maxlen=WINDOW)

    def __call__(self, done: int, total: int) -> None:
        """So many of so many are done."""
        now_s = time.monotonic()
        if done and not self._recent:
            self._recent.append((now_s, done))
        if now_s < self._due_s or done >= total:
            return
        self._due_s = now_s + LINE_EVERY_S
        left = ""
        if self._recent:
            since_s, before = self._recent[0]
            self._recent.append((now_s, done))
            if done > before:
                left_s = (total - done) * (now_s - since_s) / (done - before)
                left = f", about {duration(left_s)} left"
        print(
            f"{self._description}: {done:,} of {total:,} ({100 * done / total:.0f} %){left}",
            file=sys.stderr,
            flush=True,
        )


def check_complete(comparison: Comparison) -> None:
    """Say so at the end where runs are missing.

    Raises:
        IncompleteError: worker processes died.
    """
    if comparison.incomplete:
        raise IncompleteError(f"incomplete: {missing_runs(comparison.incomplete)}")
