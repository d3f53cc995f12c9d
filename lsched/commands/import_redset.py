"""``lsched import redset``: a trace from the log of Amazon Redshift's fleet."""

from __future__ import annotations

from dataclasses import dataclass

from lsched.commands.import_options import FleetOptions, check_files, load_plans
from lsched.commands.imported import write_imported
from lsched.commands.options import OptionalText


@dataclass(frozen=True, kw_only=True)
class Options(FleetOptions):
    """Make a trace of Redset files; captured plans stand for the queries.

    Needs the extra `import`.
    """

    instances: OptionalText = None
    """Import only these instances, such as 3,7; all if not given."""


def run(options: Options) -> None:
    """Do what the options say."""
    from traces.importers.redset import import_redset

    check_files(options.out, options.files)
    trace = import_redset(
        options.files,
        plans=load_plans(options.plans),
        selection=options.selection(options.instances),
        parallelism=options.parallelism,
        trust_units=options.trust_units,
    )
    write_imported(trace, options.out)
