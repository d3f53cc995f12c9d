"""What every ``lsched import`` command does with a trace: write it, and say what is in it."""

from __future__ import annotations

from pathlib import Path

from lsched.commands.console import output_console
from traces import Trace, TraceStream, write


def write_imported(trace: Trace | TraceStream, out: Path) -> None:
    """Write a trace and show how many plans and queries it has, and where it comes from."""
    write(trace, out)
    console = output_console()
    console.print(f"{out}: {len(trace.plans)} plans, {trace.num_queries} queries", soft_wrap=True)
    for key, value in trace.source.items():
        console.print(f"  {key}: {value}", style="dim", soft_wrap=True)
