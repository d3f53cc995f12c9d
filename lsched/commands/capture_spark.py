"""``lsched capture spark``: a trace from Spark."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from lsched.commands.console import output_console
from lsched.commands.options import Count, OptionalCount, OutputPath
from lsched.errors import OptionError
from lsched.output import check_output_files
from traces import write


@dataclass(frozen=True, kw_only=True)
class Options:
    """Run queries on Spark in local mode and record their stages and times as a trace.

    Needs the extra `spark`, and Java 17 or newer.
    """

    out: OutputPath
    """File to write; a name that ends in .gz is compressed."""

    queries: tuple[Path, ...]
    """SQL files of one query each, or directories of *.sql files; each query becomes a plan with
    the file's name."""

    tables: Path
    """A directory of NAME.parquet and NAME.csv (with a header), files or directories; each
    becomes a table of that name."""

    repetitions: Count = 3
    """Executions of each query; the first warms up."""

    cores: OptionalCount = None
    """Tasks that run at once; if not given, one for each core."""

    memory_gb: Count = 4
    """Largest heap of Spark's Java machine."""


def run(options: Options) -> None:
    """Do what the options say."""
    from traces.capture.spark import capture_spark

    if not options.queries:
        raise OptionError("--queries needs SQL files, or directories of them")
    check_output_files(options.out)
    trace = capture_spark(
        options.queries,
        options.tables,
        options.repetitions,
        options.cores,
        options.memory_gb,
        progress=lambda line: print(line, file=sys.stderr),
    )
    write(trace, options.out)
    output_console().print(
        f"{options.out}: {len(trace.plans)} plans, {len(trace.queries)} queries", soft_wrap=True
    )
