"""Tables for the terminal, readable at 100 columns and without colour."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from lsched.compare import Case, Outcome
from lsched.statistics import Ratio
from sim.bounds import BOUNDS

CLAIRVOYANT_MARK = "†"
CLAIRVOYANT_NOTE = f"{CLAIRVOYANT_MARK} clairvoyant: sees the true future; no real scheduler can."
INCOMPLETE_MARK = "‡"
FEW_SEEDS = 5
"""Intervals of fewer seeds are so wide that the reader is told."""
MAX_SEEDS = 5
"""Seeds that a note names."""


def time_unit(times_s: Iterable[float], seconds_from: float = 10.0) -> tuple[str, float]:
    """One unit for several times, by the largest: its name, and how many are in a second."""
    largest = max(times_s, default=0.0)
    if largest < 0.01:
        return "µs", 1e6
    return ("ms", 1e3) if largest < seconds_from else ("s", 1.0)


def number(value: float) -> str:
    """About three significant digits, without exponent; whole numbers as they are; NaN a dash."""
    if math.isnan(value):
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    size = abs(value)
    if size >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.3g}"


def duration(time_s: float) -> str:
    """A length of time in the unit that makes it readable: ``3.4 ms``."""
    units = (("h", 1 / 3600, 7200), ("min", 1 / 60, 120), ("s", 1.0, 1), ("ms", 1e3, 1e-3))
    unit, per_s = next(((u, per_s) for u, per_s, least in units if time_s >= least), ("µs", 1e6))
    return f"{time_s * per_s:,.3g} {unit}"


def counted(count: int, noun: str) -> str:
    """``1 query``, ``30 queries``."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def heading(case: Case, num_seeds: int, cluster_name: str = "", arrivals: str = "") -> str:
    """What was run, for titles: ``tpch, load 0.8, scale 10, inmemory-32, 5 seeds × 200 queries``.

    Args:
        case: the case.
        num_seeds: how many seeds it ran with.
        cluster_name: as in ``Comparison``; left out where it is empty.
        arrivals: in place of the case's own, where several cases are shown together.
    """
    runs = [run for outcome in case.outcomes.values() for run in outcome.runs]
    parts = [case.trace, arrivals or case.arrivals.label]
    if case.arrivals.is_drawn and case.arrivals.scale != 1:
        parts.append(f"scale {case.arrivals.scale:g}")
    if cluster_name:
        parts.append("custom cluster" if cluster_name == "custom" else cluster_name)
    size = f" × {counted(len(runs[0].queries), 'query')}" if runs else ""
    parts.append(counted(num_seeds, "seed") + size)
    return ", ".join(parts)


def is_same_on_all_seeds(outcome: Outcome) -> bool:
    """Whether a replay left nothing to chance: every seed gave the same latencies."""
    return len({tuple(query.latency_s for query in run.queries) for run in outcome.runs}) == 1


def ratio_text(ratio: Ratio, *, is_reference: bool = False, has_interval: bool = True) -> str:
    """``0.87 [0.85, 0.90]``; a dash where seeds give no interval."""
    if is_reference:
        return "reference"
    if math.isnan(ratio.value):
        return "–"
    has_interval = has_interval and ratio.low is not None
    interval = f"[{ratio.low:.2f}, {ratio.high:.2f}]" if has_interval else "–"
    return f"{ratio.value:.2f} {interval}"


def short_name(scheduler: str) -> str:
    """A scheduler's text without the directories of its file."""
    path, dot, rest = scheduler.rpartition(".py:")
    return path.rsplit("/", 1)[-1] + dot + rest if dot else scheduler


def pieces_of(name: str) -> list[str]:
    """A name in parts: it may go on in a new line before ``:`` and ``+``."""
    return re.split("(?=[:+])", name)


def wrapped(name: str, width: int = 18) -> str:
    """A long name over several lines."""
    lines = [""]
    for piece in pieces_of(name):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def display_name(outcome: Outcome) -> str:
    """A scheduler's short name over several lines, with its marks."""
    clairvoyant = f" {CLAIRVOYANT_MARK}" if outcome.is_clairvoyant else ""
    incomplete = f" {INCOMPLETE_MARK}" if outcome.lost else ""
    return wrapped(short_name(outcome.scheduler)) + clairvoyant + incomplete


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


def comparison_table(case: Case, reference: str, num_seeds: int, cluster_name: str = "") -> Group:
    """One row per scheduler, from the lowest mean latency to the highest; then incomplete ones.

    These have means over fewer seeds than the others, which are not to be compared with theirs.
    """
    outcomes = case.ranked
    unit, per_s = time_unit(o.figures["p99_latency_s"] for o in outcomes if o.runs)
    fixed = _fixed(case)
    table = plain_table(heading(case, num_seeds, cluster_name))
    table.add_column("scheduler", overflow="fold", min_width=12)
    for header in (
        f"mean\n{unit}",
        f"{wrapped(f'× {short_name(reference)}')}\n[95 % CI]",
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
        if not outcome.runs:
            table.add_row(display_name(outcome), *["–"] * (len(table.columns) - 1))
            continue
        figures = outcome.figures
        table.add_row(
            display_name(outcome),
            *(
                number(figures["mean_latency_s"] * per_s),
                ratio_text(
                    outcome.ratios["mean_latency_s"],
                    is_reference=outcome.scheduler == reference,
                    has_interval=not {outcome.scheduler, reference} <= fixed,
                ),
            ),
            *(number(figures[f"p{p}_latency_s"] * per_s) for p in (50, 95, 99)),
            number(figures["mean_slowdown"]),
            # The limit is over all seeds.
            number(math.nan if outcome.lost else outcome.mean_latency_s / case.lower_bound_s),
            f"{100 * figures['utilization']:.0f}",
            number(figures["num_schedules"]),
            number(figures["mean_schedule_us"]),
            style="bold" if outcome is case.best else "",
        )
    notes = [*_notes(case, num_seeds, unit, per_s), *_incomplete_notes(case, reference, num_seeds)]
    return Group(table, *(Text(note, style="dim") for note in notes))


def summary_table(
    title: str, summary: Mapping[str, float], lower_bounds: Mapping[str, float]
) -> Table:
    """The figures of one run, one per line, and bounds by the names of those they are for."""
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
    mean_s = lower_bounds["mean_latency_s"]
    table.add_row("lower bound of the mean latency", number(mean_s * per_s), unit)
    if "makespan_s" in lower_bounds:
        table.add_row("lower bound of the makespan", number(lower_bounds["makespan_s"]), "s")
    return table


def _words(key: str) -> str:
    return key.removeprefix("num_").replace("_", " ")


def _fixed(case: Case) -> set[str]:
    """Schedulers whose replay every seed repeats: there is nothing to have an interval of."""
    if case.arrivals.is_drawn:
        return set()
    return {name for name, outcome in case.outcomes.items() if is_same_on_all_seeds(outcome)}


def _notes(case: Case, num_seeds: int, unit: str, per_s: float) -> list[str]:
    """Three lines at most."""
    limit = (
        f"limit: {number(case.lower_bound_s * per_s)} {unit}, {limit_text(case)}; "
        "busy %: with moves and warm-up"
    )
    if any(outcome.is_clairvoyant for outcome in case.outcomes.values()):
        limit += f"; {CLAIRVOYANT_MARK} clairvoyant, sees the future"
    if num_seeds == 1:
        return ["ratio: of mean latencies; one seed gives no interval.", f"{limit}."]
    notes = [
        "ratio: geometric mean of per-seed ratios (need not equal mean ÷ mean); "
        "percentiles pool all seeds.",
        f"{limit}.",
    ]
    few = f"{num_seeds} seeds: wide intervals" if num_seeds < FEW_SEEDS else ""
    replay = "" if case.arrivals.is_drawn else replay_note(case)
    if _fixed(case) >= set(case.outcomes):
        few = ""
    last = "; ".join(filter(None, (replay, few)))
    return [*notes, f"{last}."] if last else notes


def _incomplete_notes(case: Case, reference: str, num_seeds: int) -> list[str]:
    """One line for each scheduler that lacks seeds."""
    notes = []
    for outcome in case.outcomes.values():
        if outcome.lost:
            seeds = ", ".join(str(lost.job.seed) for lost in outcome.lost[:MAX_SEEDS])
            more = ", …" if len(outcome.lost) > MAX_SEEDS else ""
            notes.append(
                f"{INCOMPLETE_MARK} {short_name(outcome.scheduler)}: {len(outcome.runs)} of "
                f"{counted(num_seeds, 'seed')}, without {seeds}{more}: {outcome.lost[0].reason}"
            )
    if not case.outcomes[reference].runs:
        notes.append(f"no ratios: {short_name(reference)}, which they refer to, has no run.")
    return notes


def limit_text(case: Case) -> str:
    """Which bound the limit on the mean latency is; of several, by seed, the one that holds all."""
    best = {bound.best for bound in case.bounds.values()}
    return f"lower bound {[name for key, name in BOUNDS.items() if key in best][-1]}"


def replay_note(case: Case) -> str:
    """What intervals over the seeds of a replay mean."""
    fixed = _fixed(case)
    if fixed >= set(case.outcomes):
        return "replay: deterministic, all seeds gave the same result, so no interval"
    luck = "luck (–: none)" if fixed else "work-order luck"
    return f"replay: one arrival sequence, intervals cover only {luck}"
