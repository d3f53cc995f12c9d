"""A DuckDB connection that records what it executes."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from traces.capture.duckdb_log import LogEvent
from traces.capture.duckdb_operators import Execution
from traces.capture.duckdb_profile import parse_profile
from traces.duckdb import CLOSED, quoted
from traces.errors import TraceError


class Session:
    """A connection that records what it executes: over Parquet files or a database file.

    Attributes:
        row_group_rows: rows by table and row-group number, of Parquet files.
    """

    def __init__(self, duckdb: Any, data: Path, scratch: Path) -> None:
        self._profile_file = scratch / "profile.json"
        self._profile = quoted(str(self._profile_file), "'")
        self.row_group_rows: dict[tuple[str, int], int] = {}
        if data.is_dir():
            self._connection = connect(duckdb, scratch)
            self._add_views(data)
        else:
            if not data.is_file():
                raise TraceError(f"{data}: no such file or directory")
            self._connection = connect(duckdb, scratch, data)

    def _add_views(self, folder: Path) -> None:
        files = sorted(folder.glob("*.parquet"))
        if not files:
            raise TraceError(f"{folder}: no *.parquet files in this directory")
        for file in files:
            path = quoted(glob_free(file), "'")
            self._connection.execute(
                f"CREATE VIEW {quoted(file.stem)} AS SELECT * FROM read_parquet({path})"
            )
            groups = self._connection.execute(
                "SELECT DISTINCT row_group_id, row_group_num_rows "
                f"FROM parquet_metadata({path}) ORDER BY ALL"
            ).fetchall()
            for group, rows in groups:
                self.row_group_rows[file.stem, int(group)] = int(rows)

    def run(self, text: str) -> None:
        """Execute a statement without recording it."""
        self._connection.execute(text)

    def check_names(self, text: str) -> None:
        """Raise DuckDB's error where a query names a table or a column that is not there."""
        self._connection.execute(f"EXPLAIN {text}")

    def executions(self, text: str, repetitions: int) -> list[Execution]:
        """Execute a query several times; the first time warms up."""
        runs = [self._execute(text) for _ in range(repetitions)]
        return runs[1:] or runs

    def _execute(self, text: str) -> Execution:
        connection = self._connection
        connection.execute("CALL truncate_duckdb_logs()")
        connection.execute("CALL enable_logging('PhysicalOperator', level = 'trace')")
        connection.execute("PRAGMA enable_profiling = 'json'")
        connection.execute(f"PRAGMA profiling_output = {self._profile}")
        start_ns = time.time_ns()
        connection.execute(text).fetchall()
        # The next statement is profiled too and overwrites the file, so it is read first.
        profile = parse_profile(self._profile_file.read_bytes())
        connection.execute("PRAGMA disable_profiling")
        connection.execute("CALL disable_logging()")
        end_us = int(start_ns / 1e3 + 1e6 * profile.latency_s)
        rows = connection.execute(
            "SELECT epoch_us(timestamp), operator_type, event, parameters, info "
            "FROM duckdb_logs_parsed('PhysicalOperator') ORDER BY timestamp"
        ).fetchall()
        events = [
            LogEvent(int(time_us), kind, event, dict(parameters or {}), dict(info or {}))
            for time_us, kind, event, parameters, info in rows
        ]
        return Execution(profile, events, end_us)


def connect(duckdb: Any, scratch: Path, database: Path | None = None, threads: int = 1) -> Any:
    """A connection that loads nothing by itself, with one thread if no more are wanted.

    To a database file, for reading only, or to an empty database in memory.
    """
    return duckdb.connect(
        ":memory:" if database is None else str(database),
        read_only=database is not None,
        config={
            "threads": threads,
            "temp_directory": str(scratch / "spill"),
            **CLOSED,
        },
    )


def glob_free(path: Path) -> str:
    """A path in which DuckDB finds nothing to expand."""
    return re.sub(r"([*?[])", r"[\1]", str(path))
