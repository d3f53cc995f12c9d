"""Running groups of concurrent queries on one instance of DuckDB.

Needs the extra ``capture``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from traces.capture.duckdb_session import connect, glob_free
from traces.capture.together import Submission, Timing, run_together
from traces.duckdb import import_duckdb, interrupts, quoted
from traces.errors import TraceError

PURPOSE = ("running queries on DuckDB", "capture")


class Instance:
    """An instance of DuckDB over Parquet files, for concurrent queries; a context manager.

    Each submission has a thread and a connection (a cursor of the instance) of its own. DuckDB
    starts ``num_threads`` − 1 threads for all of them, and each connection's own thread works on
    its query, so that k queries have up to ``num_threads`` − 1 + k threads.

    Args:
        tables: a directory of Parquet files, each a table.
        texts: SQL by the name of the query.
        num_threads: DuckDB's setting ``threads``.
        num_cpus: processors that all of these threads share.
        scratch: an existing directory for what DuckDB spills.

    Raises:
        TraceError: DuckDB is missing or fails, or the processors cannot be had.
    """

    def __init__(
        self,
        tables: Path,
        texts: Mapping[str, str],
        num_threads: int,
        num_cpus: int,
        scratch: Path,
    ) -> None:
        self._duckdb = import_duckdb(*PURPOSE)
        self._texts = texts
        self._num_cpus = num_cpus
        with processors(num_cpus):
            self._connection = connect(self._duckdb, scratch, threads=num_threads)
        for file in sorted(tables.glob("*.parquet")):
            path = quoted(glob_free(file), "'")
            self._connection.execute(
                f"CREATE VIEW {quoted(file.stem)} AS SELECT * FROM read_parquet({path})"
            )

    def __enter__(self) -> Instance:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def run(self, groups: Sequence[Sequence[Submission]]) -> list[list[Timing]]:
        """Run groups of submissions, each when the one before has ended.

        Raises:
            TraceError: a query fails.
        """
        with processors(self._num_cpus), interrupts():
            return [self._run_group(group) for group in groups]

    def _run_group(self, group: Sequence[Submission]) -> list[Timing]:
        cursors = {submission.label: self._connection.cursor() for submission in group}

        def execute(submission: Submission) -> None:
            try:
                cursors[submission.label].execute(self._texts[submission.query]).fetchall()
            except self._duckdb.Error as error:
                raise TraceError(f"{submission.query}: {error}") from None

        def cancel() -> None:
            for cursor in cursors.values():
                cursor.interrupt()

        try:
            return run_together(group, execute, cancel)
        finally:
            for cursor in cursors.values():
                cursor.close()


def num_processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def processors(count: int) -> Iterator[None]:
    """Let this thread, and threads that it starts in the block, use so many processors only.

    Raises:
        TraceError: there are fewer, or this system cannot restrict a thread to some.
    """
    available = num_processors()
    if count > available:
        raise TraceError(f"{count} processors are wanted, but this process may use {available}")
    if count == available:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise TraceError(
            f"this system cannot restrict a thread to {count} of {available} processors; expected "
            f"{available} threads"
        )
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(before)[:count]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
