"""``lsched import snowset``: a trace from the log of Snowflake's fleet."""

from __future__ import annotations

from dataclasses import dataclass

from lsched.commands.import_options import FleetOptions, check_files, load_plans
from lsched.commands.imported import write_imported
from lsched.commands.options import OptionalText


@dataclass(frozen=True, kw_only=True)
class Options(FleetOptions):
    """Make a trace of Snowset files; captured plans stand for the queries.

    Needs the extra `import`.
    """

    warehouses: OptionalText = None
    """Import only these warehouses, such as 3,7; all if not given."""


def run(options: Options) -> None:
    """Do what the options say."""
    from traces.importers.snowset import import_snowset

    check_files(options.out, options.files)
    trace = import_snowset(
        options.files,
        plans=load_plans(options.plans),
        selection=options.selection(options.warehouses),
        parallelism=options.parallelism,
        trust_units=options.trust_units,
    )
    write_imported(trace, options.out)
