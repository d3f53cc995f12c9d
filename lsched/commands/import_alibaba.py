"""``lsched import alibaba``: a trace from the Alibaba cluster trace v2018."""

from __future__ import annotations

from dataclasses import dataclass

from lsched.commands.import_options import Files, check_files
from lsched.commands.imported import write_imported
from lsched.commands.options import Count, Number, OptionalNumber, OutputPath


@dataclass(frozen=True, kw_only=True)
class Options:
    """Make a trace of batch_task.csv: every job becomes a query with a plan of its own.

    Needs the extra `import`.
    """

    files: Files
    """batch_task.csv, which has no header, also gzipped; or Parquet files with its columns."""

    out: OutputPath
    """File to write; a name that ends in .gz is compressed."""

    start_s: Number = 0.0
    """Import jobs from this time on, in seconds from the start of the log."""

    hours: OptionalNumber = None
    """Import so many hours from then; to the end if not given."""

    max_queries: Count = 10_000
    """Import only the first so many jobs; the whole log has four million."""

    trust_units: bool = False
    """Take times as they are, even if their units cannot be right."""


def run(options: Options) -> None:
    """Do what the options say."""
    from traces.importers.alibaba import import_alibaba

    check_files(options.out, options.files)
    trace = import_alibaba(
        options.files,
        start_s=options.start_s,
        hours=options.hours,
        max_queries=options.max_queries,
        trust_units=options.trust_units,
    )
    write_imported(trace, options.out)
