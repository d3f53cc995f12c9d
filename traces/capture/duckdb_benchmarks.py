"""Benchmarks that can be generated and captured without any data of one's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from traces.capture import ssb
from traces.capture.duckdb_log import ROW_GROUP_ROWS
from traces.capture.duckdb_session import connect
from traces.duckdb import missing, quoted
from traces.errors import TraceError
from traces.output import atomic_file


@dataclass(frozen=True)
class Benchmark:
    """A benchmark whose data a DuckDB extension generates.

    Attributes:
        title: its name in prose.
        package: Python package that carries the extension.
        generator: table function that creates the data, with the parameter ``sf``.
        query_function: table function with ``query_nr`` and ``query``.
        tables: its tables as queries over the generated ones; empty: those themselves.
        queries: its queries by name; empty: those of ``query_function``.
    """

    title: str
    package: str
    generator: str
    query_function: str
    tables: Mapping[str, str] = field(default_factory=dict)
    queries: Mapping[str, str] = field(default_factory=dict)


PURPOSE = ("capturing from DuckDB", "capture")
"""What the packages are for, and the extra that has them."""
_TPCH = ("duckdb_extension_tpch", "dbgen", "tpch_queries")

BENCHMARKS: dict[str, Benchmark] = {
    "tpch": Benchmark("TPC-H", *_TPCH),
    "tpcds": Benchmark("TPC-DS", "duckdb_extension_tpcds", "dsdgen", "tpcds_queries"),
    "ssb": Benchmark("An SSB-like star schema", *_TPCH, ssb.TABLES, ssb.QUERIES),
}


def write_benchmark(
    duckdb: Any,
    benchmark: Benchmark,
    scale_factor: float,
    folder: Path,
    say: Callable[[str], None],
) -> dict[str, str]:
    """Write a benchmark's data as Parquet unless it is there; the queries' texts by name.

    Raises:
        TraceError: the extension is missing.
    """
    connection = connect(duckdb, folder.parent)
    connection.execute(f"LOAD {quoted(str(_extension(benchmark.package)), chr(39))}")
    if not (folder / "complete").exists():
        say(f"generating {benchmark.title} data, scale factor {scale_factor:g}")
        folder.mkdir(parents=True, exist_ok=True)
        connection.execute(f"CALL {benchmark.generator}(sf = {float(scale_factor)!r})")
        found = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY ALL").fetchall()
        tables = benchmark.tables or {name: f"FROM {quoted(name)}" for (name,) in found}
        for table, select in tables.items():
            with atomic_file(folder / f"{table}.parquet") as out:
                connection.execute(
                    f"COPY ({select}) TO {quoted(out.name, chr(39))} (FORMAT parquet, "
                    f"ROW_GROUP_SIZE {ROW_GROUP_ROWS}, USE_TMP_FILE false)"
                )
        with atomic_file(folder / "complete"):
            pass
    texts = dict(benchmark.queries)
    if not texts:
        rows = connection.execute(
            f"SELECT query_nr, query FROM {benchmark.query_function}() ORDER BY query_nr"
        )
        texts = {f"q{number}": str(text) for number, text in rows.fetchall()}
    connection.close()
    return texts


def _extension(package: str) -> Path:
    """The extension's file inside its Python package."""
    try:
        module = importlib.import_module(package)
    except ImportError:
        raise TraceError(missing(*PURPOSE)) from None
    found = sorted(Path(str(module.__file__)).parent.rglob("*.duckdb_extension"))
    if not found:
        raise TraceError(f"the package {package} holds no DuckDB extension; reinstall it")
    return found[-1]
