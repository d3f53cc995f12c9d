"""``lsched import cab``: a trace from the Cloud Analytics Benchmark."""

from __future__ import annotations

from dataclasses import dataclass

from lsched.commands.import_options import Files, check_files, load_plans, names
from lsched.commands.imported import write_imported
from lsched.commands.options import OptionalCount, OptionalNumber, OptionalText, OutputPath


@dataclass(frozen=True, kw_only=True)
class Options:
    """Make a trace of CAB's query streams (JSON, any number), or of a measured run (CSV, one).

    A run needs the extra `import`.
    """

    files: Files
    """Query streams, or a measured run."""

    out: OutputPath
    """File to write; a name that ends in .gz is compressed."""

    plans: OptionalText = None
    """Trace with the plans of TPC-H, a file or a shipped name; tpch if not given."""

    streams: OptionalText = None
    """Import only these streams, such as 3,11; all if not given."""

    max_queries: OptionalCount = None
    """Import only the first so many queries; all if not given."""

    parallelism: OptionalNumber = None
    """Executor seconds of work for each second that a query took in a run; if not given, 8, or
    fewer where the warehouse has too few cores for that."""

    trust_units: bool = False
    """Take times as they are, even if their units cannot be right."""


def run(options: Options) -> None:
    """Do what the options say."""
    from traces.importers.cab import import_cab

    check_files(options.out, options.files)
    trace = import_cab(
        options.files,
        plans=load_plans(options.plans),
        streams=names(options.streams),
        max_queries=options.max_queries,
        parallelism=options.parallelism,
        trust_units=options.trust_units,
    )
    write_imported(trace, options.out)
