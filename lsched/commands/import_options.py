"""Options that the importers of tables share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from lsched.commands.options import (
    Number,
    OptionalCount,
    OptionalNumber,
    OptionalText,
    OutputPath,
)
from lsched.errors import OptionError
from lsched.output import check_output_files
from traces import Trace, load
from traces.importers.fleet import Selection

Files = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE [FILE ...]")]
"""Files to import, at least one."""


def check_files(out: Path, files: tuple[Path, ...]) -> None:
    """Fail early where there is nothing to read or write, or the import would replace a file.

    Raises:
        OptionError, OSError: that is so.
    """
    if not files:
        raise OptionError("no file given; see --help")
    check_output_files(out)
    if out.exists() and any(file.exists() and file.samefile(out) for file in files):
        raise OptionError(f"{out} is both read and written; write to another file")


def names(text: str | None) -> tuple[str, ...]:
    """The names in a list with commas; none if there is no text.

    Raises:
        OptionError: there is a text, but no name in it.
    """
    found = tuple(filter(None, map(str.strip, (text or "").split(","))))
    if text is not None and not found:
        raise OptionError(f"{text!r} names nothing; expected a list such as 3,7")
    return found


def load_plans(name: str | None) -> Trace | None:
    """The trace of that name or path, if there is one.

    Raises:
        TraceError: there is no such trace.
    """
    return None if name is None else load(name)


@dataclass(frozen=True, kw_only=True)
class FleetOptions:
    """Options of ``import redset`` and ``import snowset``."""

    files: Files
    """Parquet or CSV files (CSV also gzipped or zstd-compressed)."""

    out: OutputPath
    """File to write; a name that ends in .gz is compressed."""

    plans: OptionalText = None
    """Trace whose plans stand for the queries, a file or a shipped name; if not given, the plans
    of tpch, ssb and tpcds together."""

    start: OptionalText = None
    """Import from this time on: an ISO time (2024-03-01T12:00, UTC), or hours after the first
    query."""

    hours: OptionalNumber = None
    """Import so many hours from then; to the end if not given."""

    max_queries: OptionalCount = None
    """Import only the first so many queries; all if not given."""

    parallelism: Number = 8.0
    """Executor seconds of work for each second of execution, where no CPU time is recorded."""

    trust_units: bool = False
    """Take times as they are, even if their units cannot be right."""

    def selection(self, tenants: str | None) -> Selection:
        """Which queries are wanted; ``tenants`` is a list with commas."""
        return Selection(
            tenants=names(tenants),
            start=self.start,
            hours=self.hours,
            max_queries=self.max_queries,
        )
