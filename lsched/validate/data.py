"""TPC-H for engines that are to be measured: its data as Parquet, and its queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lsched.errors import OptionError
from traces.capture.duckdb_benchmarks import BENCHMARKS, PURPOSE, write_benchmark
from traces.duckdb import import_duckdb, interrupts
from traces.errors import TraceError, did_you_mean

NAMES = tuple(f"q{number}" for number in range(1, 23))
"""TPC-H's queries."""


def check_limits(settings: object, **limits: tuple[float, float]) -> None:
    """Check attributes of settings against least and most values.

    Raises:
        OptionError: one is out of range.
    """
    for name, (low, high) in limits.items():
        if not low <= (value := getattr(settings, name)) <= high:  # also of NaN
            raise OptionError(f"{name} is {value:g}, expected {low:g} to {high:g}")


def benchmark_texts(
    scale_factor: float,
    queries: Sequence[str],
    directory: Path,
    progress: Callable[[str], None] | None = None,
) -> tuple[dict[str, str], Path]:
    """Texts of TPC-H's queries by name, and the directory of its tables; they are made if needed.

    Raises:
        TraceError: DuckDB or its extension is missing or fails.
        OptionError: there is no such query, or one is named twice.
    """
    if not queries:
        raise OptionError("no queries named; expected names such as q1,q6")
    for place, name in enumerate(queries):
        if name not in NAMES:
            raise OptionError(
                f"no query {name!r} in TPC-H; there are {NAMES[0]} to {NAMES[-1]}"
                + did_you_mean(name, NAMES)
            )
        if name in queries[:place]:
            raise OptionError(f"query {name!r} is named twice")
    duckdb = import_duckdb(*PURPOSE)
    folder = directory / f"tpch-sf{scale_factor:g}"
    try:
        with interrupts():
            known = write_benchmark(
                duckdb, BENCHMARKS["tpch"], scale_factor, folder, progress or (lambda _: None)
            )
    except duckdb.Error as error:
        raise TraceError(f"DuckDB: {error}") from None
    return {name: known[name].strip().rstrip(";") for name in queries}, folder
