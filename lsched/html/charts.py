"""Gantt charts as data, which the page draws and zooms by itself."""

from __future__ import annotations

from typing import Any

from lsched.plots.gantt import MAX_EXECUTORS, absences, busy_intervals, query_colours
from lsched.tables import number, short_name, time_unit
from sim import Result
from traces.units import US_PER_S

Chart = dict[str, Any]
MAX_INTERVALS = 300_000
"""Bars that a page draws and a browser moves without delay; of a longer run its beginning."""


def chart_of(result: Result) -> Chart:
    """What a run's executors do, as the page's script reads it.

    ``rows`` has, for each of the first 64 executors, bars as ``gap, length, query`` one after
    another: µs since the last bar's end, µs, index in ``queries``. ``queries`` has
    ``[query_id, plan, colour, arrival µs, latency µs]``, ``away`` has ``[executor, from, to]``.

    Args:
        result: a run with its event log.
    """
    assert result.events is not None
    queries = sorted(result.queries, key=lambda query: (query.arrival_s, query.query_id))
    colours = query_colours(result)
    places = {query.query_id: place for place, query in enumerate(queries)}
    num_rows = min(result.cluster.num_executors, MAX_EXECUTORS)
    rows: list[list[int]] = [[] for _ in range(num_rows)]
    ends = [0] * num_rows
    shown = [each for each in busy_intervals(result.events) if each.executor < num_rows]
    shown.sort(key=lambda interval: interval.start_us)
    for each in shown[:MAX_INTERVALS]:
        gap = each.start_us - ends[each.executor]
        rows[each.executor] += [gap, each.end_us - each.start_us, places[each.query_id]]
        ends[each.executor] = each.end_us
    end_us = max(ends)
    return {
        "name": short_name(result.scheduler),
        "note": _note(result, len(shown), end_us),
        "end_us": end_us,
        "queries": [
            [
                query.query_id,
                query.plan,
                colours[query.query_id],
                round(query.arrival_s * US_PER_S),
                round(query.latency_s * US_PER_S),
            ]
            for query in queries
        ],
        "rows": rows,
        "away": [each for each in absences(result.events, end_us) if each[0] < num_rows],
    }


def _note(result: Result, num_intervals: int, end_us: int) -> str:
    """Which run, and what of it is left out."""
    mean_s = result.summary()["mean_latency_s"]
    unit, per_s = time_unit([mean_s])
    parts = [f"seed {result.seed}", f"mean latency {number(mean_s * per_s)} {unit}"]
    if result.cluster.num_executors > MAX_EXECUTORS:
        parts.append(f"the first {MAX_EXECUTORS} of {result.cluster.num_executors:,} executors")
    if num_intervals > MAX_INTERVALS:
        parts.append(f"only the first {end_us / US_PER_S:,.0f} s of the run")
    return ", ".join(parts)
