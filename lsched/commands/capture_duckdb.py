"""``lsched capture duckdb``: a trace from DuckDB."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from lsched.commands.console import output_console
from lsched.commands.options import Count, Number, OptionalPath, OutputPath
from lsched.output import check_output_files
from traces import write


@dataclass(frozen=True, kw_only=True)
class Options:
    """Run a benchmark on a database engine and record its plans and times as a trace.

    Needs the extra `capture`.
    """

    out: OutputPath
    """File to write; a name that ends in .gz is compressed."""

    benchmark: str = "tpch"
    """The benchmark to run."""

    scale_factor: Number = 1.0
    """Size of the benchmark's data, about GB."""

    repetitions: Count = 5
    """Executions of each query; the first warms up."""

    directory: OptionalPath = None
    """Where the data goes and is reused from; if not given, a temporary directory."""


def run(options: Options) -> None:
    """Do what the options say."""
    from traces.capture.duckdb import capture_benchmark

    check_output_files(options.out)
    trace = capture_benchmark(
        benchmark=options.benchmark,
        scale_factor=options.scale_factor,
        repetitions=options.repetitions,
        directory=options.directory,
        progress=lambda line: print(line, file=sys.stderr),
    )
    write(trace, options.out)
    output_console().print(
        f"{options.out}: {len(trace.plans)} plans, {len(trace.queries)} queries", soft_wrap=True
    )
