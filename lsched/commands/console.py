"""Where subcommands print: tables on standard output, progress and failures on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from lsched.compare import Comparison
from lsched.errors import IncompleteError, missing_runs
from lsched.runner import Progress

PIPED_WIDTH = 100


class _Output(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would exit with code 1


def output_console() -> Console:
    """Standard output; 100 columns where it is not a terminal."""
    console = _Output(highlight=False, markup=False)
    if not console.is_terminal:
        console = _Output(highlight=False, markup=False, width=PIPED_WIDTH)
    return console


@contextmanager
def progress_bar(description: str) -> Iterator[Progress | None]:
    """A progress bar on standard error; None where that is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with RichProgress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def check_complete(comparison: Comparison) -> None:
    """Say so at the end where runs are missing.

    Raises:
        IncompleteError: worker processes died.
    """
    if comparison.incomplete:
        raise IncompleteError(f"incomplete: {missing_runs(comparison.incomplete)}")
