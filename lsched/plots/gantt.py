"""Gantt chart: what every executor does over time, coloured by query."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lsched.plots.style import COLOURS, add_title, new_figure, plain
from lsched.tables import counted, number, short_name, time_unit
from sim import PRESETS, Event, Result
from traces.units import US_PER_S

QUERY_COLOURS = (
    *COLOURS[:6],
    "#F0E442",
    "#999999",
    "#882255",
    "#44AA99",
    "#332288",
    "#DDCC77",
    "#AA4499",
    "#117733",
    "#661100",
    "#88CCEE",
)
WINDOW_QUERIES = 12
"""Queries that a window shows, about: more cannot be told apart."""
MAX_EXECUTORS = 64
"""Rows that can be told apart; of more executors the first so many are shown."""
ABSENT: dict[str, Any] = {"hatch": "/////", "edgecolor": "0.6", "linewidth": 0.0}
"""Where an executor is not there."""
MIN_LABEL_SHARE = 0.03
"""Part of the width that a bar must have to be labelled."""


class Interval(NamedTuple):
    """An executor works on a query without a break."""

    executor: int
    query_id: int
    start_us: int
    end_us: int


def busy_intervals(events: Iterable[Event]) -> list[Interval]:
    """What executors work on, from an event log; consecutive tasks for one query are joined."""
    running: dict[int, tuple[int, int]] = {}
    intervals: dict[int, list[Interval]] = {}
    for event in events:
        if event.kind == "start":
            running[event.executor] = (event.query_id, event.time_us)
        elif event.kind in ("finish", "lose"):
            query_id, start_us = running.pop(event.executor)
            row = intervals.setdefault(event.executor, [])
            if row and row[-1].query_id == query_id and row[-1].end_us == start_us:
                start_us = row.pop().start_us
            row.append(Interval(event.executor, query_id, start_us, event.time_us))
    return [interval for executor in sorted(intervals) for interval in intervals[executor]]


def absences(events: Iterable[Event], end_us: int) -> list[tuple[int, int, int]]:
    """Executor, start and end (µs) of each time that one is not there, up to ``end_us``."""
    left: dict[int, int] = {}
    found = []
    for event in events:
        if event.kind == "leave":
            left[event.executor] = event.time_us
        elif event.kind == "join":
            found.append((event.executor, left.pop(event.executor), event.time_us))
    return [*found, *((executor, from_us, end_us) for executor, from_us in left.items())]


def readable_window(result: Result, num_queries: int = WINDOW_QUERIES) -> tuple[float, float]:
    """Start and end (s) of a window from the middle of the run that shows about so many queries.

    As long as half of the queries take, at least; the whole run where it has few queries.
    """
    queries = sorted(result.queries, key=lambda query: query.arrival_s)
    first, last = queries[0].arrival_s, max(query.completion_s for query in queries)
    if len(queries) <= num_queries:
        return first, last
    middle = len(queries) // 2
    start = queries[middle].arrival_s
    low, high = 0.0, last - start
    for _ in range(40):  # the number of queries that run in the window grows with its length
        length = (low + high) / 2
        present = sum(q.start_s < start + length and q.completion_s > start for q in queries)
        low, high = (length, high) if present <= num_queries else (low, length)
    typical = statistics.median(query.completion_s - query.start_s for query in queries)
    return start, min(start + max(high, typical), last)


def query_colours(result: Result) -> dict[int, str]:
    """Colours in turn by arrival: those of a query are the same under every scheduler."""
    queries = sorted(result.queries, key=lambda query: (query.arrival_s, query.query_id))
    return {
        query.query_id: QUERY_COLOURS[place % len(QUERY_COLOURS)]
        for place, query in enumerate(queries)
    }


def gantt(
    result: Result,
    window_s: tuple[float, float] | None = None,
    heading: str = "",
    *,
    ax: Axes | None = None,
) -> Figure:
    """One row per executor (the first 64), one colour per query; white is idle, hatched is away.

    Args:
        result: a run with its event log.
        window_s: start and end; default: the whole run, or a readable part of it.
        heading: what was run; default: the trace, the cluster and the number of queries.
        ax: where to draw it; default: a new figure.

    Raises:
        ValueError: the run has no event log.
    """
    if result.events is None:
        raise ValueError("the run has no event log, simulate with record_events=True")
    start_s, end_s = window_s or readable_window(result)
    num_executors = result.cluster.num_executors
    num_rows = min(num_executors, MAX_EXECUTORS)
    shown = [
        interval
        for interval in busy_intervals(result.events)
        if interval.end_us > start_s * US_PER_S
        and interval.start_us < end_s * US_PER_S
        and interval.executor < num_rows
    ]
    figure, axes = new_figure(9.0, 1.8 + min(6.0, 0.11 * num_rows + 0.5), ax)
    unit, per_s = time_unit([end_s - start_s])
    plans = {query.query_id: query.plan for query in result.queries}
    colours = query_colours(result)
    by_query: dict[int, list[Interval]] = {}
    for interval in sorted(shown, key=lambda interval: interval.start_us):
        by_query.setdefault(interval.query_id, []).append(interval)
    times_visible = Counter(plans[query_id] for query_id in by_query)
    for query_id, intervals in by_query.items():
        axes.add_collection(_bars(intervals, colours[query_id], per_s))
        plan = plans[query_id]
        text = plan if times_visible[plan] == 1 else f"{plan} #{query_id}"
        _label(axes, plain(text), intervals, (start_s, end_s), per_s)
    for executor, left_us, back_us in absences(result.events, round(end_s * US_PER_S)):
        if executor < num_rows:
            left, width = (time_us / US_PER_S * per_s for time_us in (left_us, back_us - left_us))
            axes.barh(executor, width, 0.9, left, facecolor="none", **ABSENT)
    axes.set_xlim(start_s * per_s, end_s * per_s)
    axes.set_ylim(num_rows - 0.4, -0.6)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(False)
    axes.set_xlabel(f"time ({unit})")
    axes.set_ylabel("executor")
    first = f"{short_name(result.scheduler)}: {heading or _heading(result)}"
    add_title(figure, first, _excerpt(result, (start_s, end_s), len(by_query)), ax=ax)
    return figure


def _heading(result: Result) -> str:
    known = (name for name, cluster in PRESETS.items() if cluster == result.cluster)
    cluster = next(known, "custom cluster")
    return f"{result.trace}, {cluster}, {counted(len(result.queries), 'query')}"


def _excerpt(result: Result, window_s: tuple[float, float], num_visible: int) -> str:
    """What of the run is shown."""
    first = min(query.arrival_s for query in result.queries)
    last = max(query.completion_s for query in result.queries)
    start, end = window_s
    parts = [f"seed {result.seed}", "the whole run"]
    if start > first or end < last:
        unit, per_s = time_unit([last], seconds_from=1.0)
        ends = [number(time_s * per_s) for time_s in (start, end, last)]
        parts[1] = f"excerpt: {ends[0]} to {ends[1]} {unit} of {ends[2]} {unit}"
    total = len(result.queries)
    of = f"{num_visible} of " if num_visible < total else ""
    parts.append(f"{of}{counted(total, 'query')}, labelled by plan")
    if result.cluster.num_executors > MAX_EXECUTORS:
        parts.append(f"only the first {MAX_EXECUTORS} of {result.cluster.num_executors} executors")
    if any(event.kind == "leave" for event in result.events or ()):
        parts.append("hatched: not there")
    return "; ".join(parts)


def _bars(intervals: Sequence[Interval], colour: str, per_s: float) -> PolyCollection:
    scale = per_s / US_PER_S
    corners = []
    for executor, _, start_us, end_us in intervals:
        left, right = start_us * scale, end_us * scale
        top, bottom = executor - 0.45, executor + 0.45
        corners.append([(left, top), (right, top), (right, bottom), (left, bottom)])
    return PolyCollection(corners, facecolors=colour, edgecolors="white", linewidths=0.15)


def _label(
    axes: Axes,
    text: str,
    intervals: Sequence[Interval],
    window_s: tuple[float, float],
    per_s: float,
) -> None:
    """Write a query's plan on its longest bar inside the window, if there is room."""
    low, high = (end * US_PER_S for end in window_s)

    def visible(interval: Interval) -> float:
        return min(interval.end_us, high) - max(interval.start_us, low)

    longest = max(intervals, key=visible)
    if visible(longest) < MIN_LABEL_SHARE * (high - low):
        return
    middle = (min(longest.end_us, high) + max(longest.start_us, low)) / 2 / US_PER_S * per_s
    axes.text(
        middle,
        longest.executor,
        text,
        ha="center",
        va="center",
        fontsize="small",
        clip_on=True,
        bbox={
            "boxstyle": "round,pad=0.15",
            "facecolor": "white",
            "edgecolor": "none",
            "alpha": 0.8,
        },
    )
