"""Tables for the terminal, readable at 100 columns and without colour."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from lsched.compare import Case, Outcome
from lsched.statistics import Ratio

CLAIRVOYANT_MARK = "†"
CLAIRVOYANT_NOTE = f"{CLAIRVOYANT_MARK} clairvoyant: sees the true future; no real scheduler can."


def time_unit(times_s: Iterable[float], seconds_from: float = 10.0) -> tuple[str, float]:
    """One unit for several times, by the largest: its name, and how many are in a second."""
    largest = max(times_s)
    if largest < 0.01:
        return "µs", 1e6
    return ("ms", 1e3) if largest < seconds_from else ("s", 1.0)


def number(value: float) -> str:
    """About three significant digits, without exponent; whole numbers as they are."""
    if isinstance(value, int):
        return f"{value:,}"
    size = abs(value)
    if size >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.3g}"


def ratio_text(ratio: Ratio, *, is_reference: bool = False) -> str:
    """``0.87 [0.85, 0.90]``; a dash for the interval with one seed."""
    if is_reference:
        return "reference"
    interval = "–" if ratio.low is None else f"[{ratio.low:.2f}, {ratio.high:.2f}]"
    return f"{ratio.value:.2f} {interval}"


def short_name(scheduler: str) -> str:
    """A scheduler's text without the directories of its file."""
    path, dot, rest = scheduler.rpartition(".py:")
    return path.rsplit("/", 1)[-1] + dot + rest if dot else scheduler


def wrapped(name: str, width: int = 18) -> str:
    """A long name over several lines, broken before ``:`` and ``+``."""
    lines = [""]
    for piece in re.split("(?=[:+])", name):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def display_name(outcome: Outcome) -> str:
    """A scheduler's short name over several lines, marked where it is clairvoyant."""
    mark = f" {CLAIRVOYANT_MARK}" if outcome.is_clairvoyant else ""
    return wrapped(short_name(outcome.scheduler)) + mark


def plain_table(title: str = "") -> Table:
    """An empty table in the house's form."""
    return Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def comparison_table(case: Case, reference: str, num_seeds: int) -> Group:
    """One row per scheduler, from the lowest mean latency to the highest."""
    outcomes = case.ranked
    unit, per_s = time_unit(outcome.figures["p99_latency_s"] for outcome in outcomes)
    table = plain_table(f"{case.label}, {num_seeds} {'seed' if num_seeds == 1 else 'seeds'}")
    table.add_column("scheduler", overflow="fold", min_width=12)
    for header in (
        f"mean\n{unit}",
        f"× {short_name(reference)}\n[95 % CI]",
        f"p50\n{unit}",
        f"p95\n{unit}",
        f"p99\n{unit}",
        "slow-\ndown",
        "×\nlimit",
        "busy\n%",
        "sched-\nules",
        "µs per\nsched.",
    ):
        table.add_column(header, justify="right", no_wrap=True)
    for outcome in outcomes:
        figures = outcome.figures
        table.add_row(
            display_name(outcome),
            *(
                number(figures["mean_latency_s"] * per_s),
                ratio_text(
                    outcome.ratios["mean_latency_s"], is_reference=outcome.scheduler == reference
                ),
            ),
            *(number(figures[f"p{p}_latency_s"] * per_s) for p in (50, 95, 99)),
            number(figures["mean_slowdown"]),
            number(outcome.mean_latency_s / case.lower_bound_s),
            f"{100 * figures['utilization']:.0f}",
            number(figures["num_schedules"]),
            number(figures["mean_schedule_us"]),
            style="bold" if outcome is case.best else "",
        )
    return Group(table, *(Text(note, style="dim") for note in _notes(case, unit, per_s)))


def summary_table(title: str, summary: dict[str, float], lower_bound_s: float) -> Table:
    """The figures of one run, one per line."""
    table = plain_table(title)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    unit, per_s = time_unit([summary["p99_latency_s"]])
    for key, value in summary.items():
        if key.endswith("latency_s") or key == "mean_queueing_s":
            table.add_row(_words(key[:-2]), number(value * per_s), unit)
        elif key.endswith("_s"):
            table.add_row(_words(key[:-2]), number(value), "s")
        elif key.endswith("_us"):
            table.add_row(_words(key[:-3]), number(value), "µs")
        elif key.endswith("_bytes"):
            table.add_row(_words(key[:-6]), number(value / 1e9), "GB")
        elif key == "utilization":
            table.add_row("utilization", f"{100 * value:.1f}", "%")
        else:
            table.add_row(_words(key), number(value), "")
    table.add_row("lower bound of the mean latency", number(lower_bound_s * per_s), unit)
    return table


def _words(key: str) -> str:
    return key.removeprefix("num_").replace("_", " ")


def _notes(case: Case, unit: str, per_s: float) -> list[str]:
    limit = number(case.lower_bound_s * per_s)
    notes = [
        "ratio: geometric mean over seeds of paired mean latencies; "
        f"limit: {limit} {unit}, each query alone on the cluster (no mean latency is below it)."
    ]
    if any(outcome.is_clairvoyant for outcome in case.outcomes.values()):
        notes.append(CLAIRVOYANT_NOTE)
    return notes
