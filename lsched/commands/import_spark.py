"""``lsched import spark``: a trace from Spark event logs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from lsched.commands.imported import write_imported
from lsched.commands.options import OutputPath
from lsched.errors import OptionError
from lsched.output import check_output_files


@dataclass(frozen=True, kw_only=True)
class Options:
    """Make a trace of Spark event logs, each of one application, adaptive execution on or off.

    Each SQL execution that ran tasks becomes a query, each of its stages an operator, each task a
    work order. Several logs keep the order and the distances of the wall clock.
    """

    logs: Annotated[
        tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="EVENTLOG [EVENTLOG ...]")
    ]
    """Event logs, plain or gzipped, and directories of rolling logs (eventlog_v2_…)."""

    out: OutputPath
    """File to write; a name that ends in .gz is compressed."""

    name: str = "spark"
    """Name of the trace."""


def run(options: Options) -> None:
    """Do what the options say."""
    from traces.importers.spark import import_spark

    if not options.logs:
        raise OptionError("no event log given (see lsched import spark --help)")
    check_output_files(options.out)
    write_imported(import_spark(options.logs, options.name), options.out)
