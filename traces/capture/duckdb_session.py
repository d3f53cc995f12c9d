"""A DuckDB connection over Parquet files that records what it executes."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

from traces.capture.duckdb_log import LogEvent
from traces.capture.duckdb_operators import Execution
from traces.capture.duckdb_profile import parse_profile
from traces.errors import TraceError

MISSING = "capturing from DuckDB needs the capture extra: pip install 'lsched[capture]'"


class Session:
    """A connection over Parquet files that records what it executes."""

    def __init__(self, duckdb: Any, folder: Path, scratch: Path) -> None:
        self._connection = connect(duckdb, scratch)
        self._profile_file = scratch / "profile.json"
        self._profile = quoted(str(self._profile_file), "'")
        self.row_group_rows: dict[tuple[str, int], int] = {}
        for file in sorted(folder.glob("*.parquet")):
            path = quoted(str(file), "'")
            self._connection.execute(
                f"CREATE VIEW {quoted(file.stem)} AS SELECT * FROM read_parquet({path})"
            )
            groups = self._connection.execute(
                "SELECT DISTINCT row_group_id, row_group_num_rows "
                f"FROM parquet_metadata({path}) ORDER BY ALL"
            ).fetchall()
            for group, rows in groups:
                self.row_group_rows[file.stem, int(group)] = int(rows)

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


def import_duckdb() -> Any:
    """The module ``duckdb``; TraceError if it is not installed."""
    try:
        return importlib.import_module("duckdb")
    except ImportError:
        raise TraceError(MISSING) from None


def connect(duckdb: Any, scratch: Path) -> Any:
    """An in-memory database with one thread that loads nothing by itself."""
    return duckdb.connect(
        config={
            "threads": 1,
            "temp_directory": str(scratch / "spill"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )


def quoted(text: str, mark: str = '"') -> str:
    """``text`` as an SQL identifier, or with ``'`` as an SQL string."""
    return mark + text.replace(mark, mark * 2) + mark
