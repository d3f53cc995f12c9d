"""A DuckDB connection over Parquet files that records what it executes."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traces.capture.duckdb_log import ROW_GROUP_ROWS, LogEvent
from traces.capture.duckdb_operators import Execution
from traces.capture.duckdb_profile import parse_profile
from traces.errors import TraceError

MISSING = "capturing from DuckDB needs the capture extra: pip install 'lsched[capture]'"


@dataclass(frozen=True)
class Benchmark:
    """A benchmark that a DuckDB extension generates.

    Attributes:
        title: its name in prose.
        package: Python package that carries the extension.
        generator: table function that creates the data, with the parameter ``sf``.
        queries: table function with ``query_nr`` and ``query``.
    """

    title: str
    package: str
    generator: str
    queries: str


class Session:
    """A connection over Parquet files that records what it executes."""

    def __init__(self, duckdb: Any, folder: Path, scratch: Path) -> None:
        self._connection = _connect(duckdb, scratch)
        self._profile_file = scratch / "profile.json"
        self._profile = _quoted(str(self._profile_file), "'")
        self.row_group_rows: dict[tuple[str, int], int] = {}
        for file in sorted(folder.glob("*.parquet")):
            path = _quoted(str(file), "'")
            self._connection.execute(
                f"CREATE VIEW {_quoted(file.stem)} AS SELECT * FROM read_parquet({path})"
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


def write_benchmark(
    duckdb: Any,
    benchmark: Benchmark,
    scale_factor: float,
    folder: Path,
    say: Callable[[str], None],
) -> dict[int, str]:
    """Write a benchmark's data as Parquet unless it is there; the queries' texts by number."""
    connection = _connect(duckdb, folder.parent)
    extension = _quoted(str(_extension(benchmark.package)), "'")
    connection.execute(f"LOAD {extension}")
    texts = connection.execute(
        f"SELECT query_nr, query FROM {benchmark.queries}() ORDER BY query_nr"
    ).fetchall()
    if not (folder / "complete").exists():
        say(f"generating {benchmark.title} data, scale factor {scale_factor:g}")
        folder.mkdir(parents=True, exist_ok=True)
        connection.execute(f"CALL {benchmark.generator}(sf = {float(scale_factor)!r})")
        tables = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY ALL")
        for (table,) in tables.fetchall():
            path = _quoted(str(folder / f"{table}.parquet"), "'")
            connection.execute(
                f"COPY {_quoted(table)} TO {path} (FORMAT parquet, ROW_GROUP_SIZE {ROW_GROUP_ROWS})"
            )
        (folder / "complete").touch()
    connection.close()
    return {int(number): str(text) for number, text in texts}


def import_duckdb() -> Any:
    """The module ``duckdb``; TraceError if it is not installed."""
    try:
        return importlib.import_module("duckdb")
    except ImportError:
        raise TraceError(MISSING) from None


def _connect(duckdb: Any, scratch: Path) -> Any:
    return duckdb.connect(
        config={
            "threads": 1,
            "temp_directory": str(scratch / "spill"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )


def _extension(package: str) -> Path:
    """The extension's file inside its Python package."""
    try:
        module = importlib.import_module(package)
    except ImportError:
        raise TraceError(MISSING) from None
    found = sorted(Path(str(module.__file__)).parent.rglob("*.duckdb_extension"))
    if not found:
        raise TraceError(f"the package {package} holds no DuckDB extension; reinstall it")
    return found[-1]


def _quoted(text: str, mark: str = '"') -> str:
    """``text`` as an SQL identifier, or with ``'`` as an SQL string."""
    return mark + text.replace(mark, mark * 2) + mark
