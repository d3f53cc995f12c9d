"""``lsched capture duckdb``: a trace from DuckDB."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from lsched.commands.console import output_console
from lsched.commands.options import Count, OptionalNumber, OptionalPath, OptionalText, OutputPath
from lsched.errors import OptionError
from lsched.output import check_output_files
from traces import Trace, write


@dataclass(frozen=True, kw_only=True)
class Options:
    """Run queries on DuckDB, with one thread, and record their plans and times as a trace.

    Either a benchmark, or a database and queries of your own. Needs the extra `capture`.
    """

    out: OutputPath
    """File to write; a name that ends in .gz is compressed."""

    benchmark: OptionalText = None
    """The benchmark to run: tpch, tpcds or ssb; tpch if neither this nor a database is given."""

    scale_factor: OptionalNumber = None
    """Size of the benchmark's data, about GB; 1 if not given."""

    directory: OptionalPath = None
    """Where the benchmark's data goes and is reused from; if not given, a temporary directory."""

    database: OptionalPath = None
    """A database of your own: a DuckDB file, opened for reading only, or a directory of Parquet
    files."""

    queries: tuple[Path, ...] = ()
    """SQL files, or directories of *.sql files; each query becomes a plan with the file's name."""

    repetitions: Count = 5
    """Executions of each query; the first warms up."""


def run(options: Options) -> None:
    """Do what the options say."""
    check_output_files(options.out)
    trace = _capture(options)
    write(trace, options.out)
    output_console().print(
        f"{options.out}: {len(trace.plans)} plans, {len(trace.queries)} queries", soft_wrap=True
    )


def _capture(options: Options) -> Trace:
    from traces.capture.duckdb import capture_benchmark, capture_database

    def progress(line: str) -> None:
        print(line, file=sys.stderr)

    if options.database is None:
        if options.queries:
            raise OptionError("--queries need a --database to run on")
        return capture_benchmark(
            benchmark="tpch" if options.benchmark is None else options.benchmark,
            scale_factor=1.0 if options.scale_factor is None else options.scale_factor,
            repetitions=options.repetitions,
            directory=options.directory,
            progress=progress,
        )
    for name in ("benchmark", "scale_factor", "directory"):
        if getattr(options, name) is not None:
            raise OptionError(
                f"--{name.replace('_', '-')} is for benchmarks, --database for your own; choose one"
            )
    if not options.queries:
        raise OptionError("--database needs --queries: SQL files, or directories of them")
    return capture_database(options.database, options.queries, options.repetitions, progress)
