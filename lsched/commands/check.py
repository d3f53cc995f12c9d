"""``lsched check``: does a scheduler do what it must, and nothing that it must not?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from lsched.check import Report, check_scheduler
from lsched.check.suite import MAX_MEDIAN_MS
from lsched.commands.console import output_console, progress_bar
from lsched.commands.options import Number
from lsched.errors import CheckError, OptionError
from lsched.specs import check_scheduler_text
from lsched.tables import counted, plain_table
from sim import make_scheduler

SchedulerText = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="SCHEDULER")]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Run a scheduler in ten small situations and say in words what is wrong with it.

    Its schedules must be legal, it must not wait for ever, and its decisions must depend on nothing
    but the seed and what views show: not on the process, on earlier runs, or on the future. The
    exit code is 1 where a check failed. docs/schedulers.md says how to write one.
    """

    scheduler: SchedulerText
    """As name, name:key=value+key=value, or path/to/file.py:ClassName."""

    max_median_ms: Number = MAX_MEDIAN_MS
    """Median time of a decision, in milliseconds, above which there is a warning."""


def run(options: Options) -> None:
    """Do what the options say.

    Raises:
        CheckError: a check failed.
    """
    check_scheduler_text(options.scheduler)
    if options.scheduler.endswith(".py"):
        make_scheduler(options.scheduler)  # says which classes are in it
    if options.max_median_ms < 0:
        raise OptionError(f"--max-median-ms is {options.max_median_ms:g}, expected 0 or more")
    with progress_bar("checking") as progress:
        report = check_scheduler(
            options.scheduler, max_median_ms=options.max_median_ms, progress=progress
        )
    _show(report)
    if report.failed:
        raise CheckError(f"{counted(len(report.failed), 'check')} failed")


def _show(report: Report) -> None:
    table = plain_table(report.scheduler)
    for name in ("check", "result"):
        table.add_column(name, no_wrap=True)
    table.add_column("what was found", overflow="fold")
    for finding in report.findings:
        table.add_row(finding.check, finding.status, finding.text)
    output_console().print(table)
