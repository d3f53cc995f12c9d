"""What the logs of query fleets share: which rows count, and whether their units can be right."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from traces.errors import TraceError
from traces.importers.tables import Column, Tables
from traces.units import DAY_US, HOUR_US

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_HOURS = 10**6
MAX_PARALLELISM = 10**5
YEARS = (1990, 2100)
"""Arrivals outside are not times."""
MAX_ODD_SHARE = 0.01
"""Impossible rows are left out; with more than this share of them, units or columns are wrong."""
MAX_RATIO = 30.0
"""How far totals that should be equal may differ: wrong units make a factor of 1,000."""
TRUST = "(--trust-units takes them as they are)"
ROWS = {
    "arrival_us": "BIGINT",
    "tenant": "VARCHAR",
    "query_class": "VARCHAR",
    "fingerprint": "VARCHAR",
    "joins": "DOUBLE",
    "aggregations": "DOUBLE",
    "sorts": "DOUBLE",
    "scanned_bytes": "DOUBLE",
    "work_us": "DOUBLE",
    "latency_us": "DOUBLE",
    "elapsed_us": "DOUBLE",
    "capacity_us": "DOUBLE",
    "is_estimated": "BOOLEAN",
    "left_out": "VARCHAR",
}
"""A query of any fleet. NULL where not known: ``fingerprint``, counts, ``scanned_bytes``, and what
only checks units: ``elapsed_us`` (by time stamps), ``capacity_us`` (cores × execution time).
``is_estimated``: the work was not measured. ``left_out``: why, else NULL."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which queries of a log are imported.

    Attributes:
        tenants: only theirs; empty: all.
        start: an ISO time, or hours after the log's first query; None: from that one.
        hours: how long from then; None: to the end.
        max_queries: only the first so many; None: all.
    """

    tenants: tuple[str, ...] = ()
    start: str | None = None
    hours: float | None = None
    max_queries: int | None = None

    def __post_init__(self) -> None:
        if self.hours is not None and not 0 < self.hours <= MAX_HOURS:
            raise TraceError(f"hours is {self.hours}, expected more than 0 and at most {MAX_HOURS}")
        if self.max_queries is not None and self.max_queries < 1:
            raise TraceError(f"max_queries is {self.max_queries}, expected at least 1")


@dataclass(frozen=True, kw_only=True)
class Log:
    """A fleet's log, in terms of its columns.

    Attributes:
        columns: what is read of its files.
        tenant: what it calls a tenant.
        values: SQL of everything in ``ROWS`` but ``left_out``.
        left_out: SQL that says which rows are not imported, by the reason.
        odd: likewise, which rows are impossible.
        units: what to suspect where latencies (``latency_us``) or work (``work_us``) are too long.
    """

    columns: Sequence[Column]
    tenant: str
    values: Mapping[str, str]
    left_out: Mapping[str, str]
    odd: Mapping[str, str]
    units: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The queries that are imported, in the table ``chosen``.

    Attributes:
        num_queries: how many.
        num_estimated: those of them whose work was not measured.
        first_us: first arrival, µs since 1970.
        work_us: all work.
        source: counts, for people.
    """

    num_queries: int
    num_estimated: int
    first_us: int
    work_us: float
    source: Mapping[str, str]


def choose(tables: Tables, log: Log, selection: Selection, trust_units: bool) -> Chosen:
    """Make the table ``chosen`` of the queries that are imported.

    Raises:
        TraceError: a value is wrong, units cannot be right, or no query is left.
    """
    counts = _read(tables, log, selection)
    num_rows = sum(counts.values())
    num_kept = counts.pop("", 0)
    if not trust_units:
        _check_odd(tables, log, counts, num_rows)
    if not num_kept:
        raise TraceError(f"{tables.label}: no query to import: {listed(counts) or 'no rows'}")
    if not trust_units:
        _check_units(tables, log)
    tables.execute(
        "CREATE TABLE chosen AS SELECT rowid AS place, * FROM queries WHERE left_out = '' "
        "ORDER BY arrival_us, place LIMIT $most",
        most=selection.max_queries or num_kept,
    )
    [(num_queries, num_estimated, first_us, last_us, work_us)] = tables.execute(
        "SELECT count(*), count_if(is_estimated), min(arrival_us), max(arrival_us), "
        "sum(CAST(work_us AS HUGEINT)) FROM chosen"
    )
    for time_us in (first_us, last_us):
        check_year(tables.label, time_us)
    if num_queries < num_kept:
        counts[f"after the first {num_queries:,}"] = num_kept - num_queries
    return Chosen(
        num_queries=num_queries,
        num_estimated=num_estimated,
        first_us=first_us,
        work_us=work_us,
        source={
            "rows": f"{num_rows:,}, {num_queries:,} of them imported",
            "left out": listed(counts) or "none",
        },
    )


def midnight(time_us: int) -> tuple[int, str]:
    """When the day of a time began (UTC): µs since 1970, and as ISO text.

    Counted from there, times modulo 24 h are times of day.
    """
    start_us = time_us - time_us % DAY_US
    return start_us, iso_time(start_us)


def iso_time(time_us: int) -> str:
    """A time in µs since 1970 as ISO text."""
    return (EPOCH + timedelta(microseconds=time_us)).isoformat()


def check_year(label: str, time_us: int) -> None:
    """Raise TraceError, beginning with ``label``, unless a time (µs since 1970) is of our age."""
    first_us, last_us = (
        (datetime(year, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) for year in YEARS
    )
    if not first_us <= time_us < last_us:
        raise TraceError(
            f"{label}: a query arrives {time_us / 1e6:.0f} s after 1970, expected a time between "
            f"{YEARS[0]} and {YEARS[1]}"
        )


def check_parallelism(parallelism: float) -> None:
    """Raise TraceError unless a query can be taken to hold so many executors."""
    if not 0 < parallelism <= MAX_PARALLELISM:
        raise TraceError(
            f"parallelism is {parallelism}, expected more than 0 and at most {MAX_PARALLELISM}"
        )


def _read(tables: Tables, log: Log, selection: Selection) -> dict[str, int]:
    """Make the table ``queries``; how many there are by why they are left out (empty: not)."""
    tables.execute(f"CREATE TABLE queries ({', '.join(f'{n} {kind}' for n, kind in ROWS.items())})")
    values = ", ".join(f"{sql} AS {name}" for name, sql in log.values.items())
    conditions = {"without a time": "arrival_us IS NULL", **log.left_out, **log.odd}
    cases = " ".join(f"WHEN {sql} THEN '{reason}'" for reason, sql in conditions.items())
    start_us, end_us = _window(tables, log, selection)
    tables.insert(
        "queries",
        f"SELECT {', '.join(ROWS)} "
        f"FROM (SELECT {values}, CASE {cases} ELSE '' END AS left_out FROM source) "
        "WHERE (len($tenants) = 0 OR list_contains($tenants, tenant)) "
        "AND (arrival_us IS NULL OR arrival_us >= $start_us AND arrival_us < $end_us)",
        tenants=list(selection.tenants),
        start_us=start_us,
        end_us=end_us,
    )
    there = {name for (name,) in tables.execute("SELECT DISTINCT tenant FROM queries")}
    if missing := set(selection.tenants) - there:
        raise TraceError(
            f"{tables.label}: no query of {log.tenant} {', '.join(sorted(missing))} in that time"
        )
    return dict(tables.execute("SELECT left_out, count(*) FROM queries GROUP BY 1 ORDER BY 1"))


def _window(tables: Tables, log: Log, selection: Selection) -> tuple[int, int]:
    """The first time and the one after the last, µs since 1970."""
    start_us, end_us = -(2**63), 2**63 - 1
    if selection.start is not None:
        start_us = _time(selection.start, lambda: _first_us(tables, log, selection))
    elif selection.hours is not None:
        start_us = _first_us(tables, log, selection)
    if selection.hours is not None:
        end_us = start_us + round(selection.hours * HOUR_US)
    return start_us, end_us


def _time(text: str, first_us: Callable[[], int]) -> int:
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if abs(hours) <= MAX_HOURS:
        return first_us() + round(hours * HOUR_US)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise TraceError(
            f"start is {text!r}, expected a time such as 2024-03-01T12:00, or hours after the "
            "first query"
        ) from None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (time - EPOCH) // timedelta(microseconds=1)


def _first_us(tables: Tables, log: Log, selection: Selection) -> int:
    firsts = tables.over_files(
        f"SELECT min(arrival_us) FROM (SELECT {log.values['arrival_us']} AS arrival_us, "
        f"{log.values['tenant']} AS tenant FROM source) "
        "WHERE len($tenants) = 0 OR list_contains($tenants, tenant)",
        tenants=list(selection.tenants),
    )
    return min((first for (first,) in firsts if first is not None), default=0)


def _check_odd(tables: Tables, log: Log, counts: Mapping[str, int], num_rows: int) -> None:
    for reason in ("without a time", *log.odd):
        if (count := counts.get(reason, 0)) > MAX_ODD_SHARE * num_rows:
            raise TraceError(
                f"{tables.label}: rows {reason}: {count:,} of {num_rows:,}; are columns mixed up? "
                f"{TRUST}"
            )


def _check_units(tables: Tables, log: Log) -> None:
    [(span_us, longest_us, latency_us, elapsed_us, work_us, capacity_us)] = tables.execute(
        "SELECT max(arrival_us) - min(arrival_us), max(latency_us), "
        "sum(latency_us) FILTER (elapsed_us IS NOT NULL), sum(elapsed_us), "
        "sum(work_us) FILTER (capacity_us IS NOT NULL AND NOT is_estimated), "
        "sum(capacity_us) FILTER (NOT is_estimated) FROM queries WHERE left_out = ''"
    )
    if longest_us > max(span_us, DAY_US):
        raise TraceError(
            f"{tables.label}: the longest query takes {longest_us / 1e6:,.0f} s, the arrivals span "
            f"{span_us / 1e6:,.0f}; {log.units['latency_us']} {TRUST}"
        )
    if elapsed_us and not 1 / MAX_RATIO <= latency_us / elapsed_us <= MAX_RATIO:
        raise TraceError(
            f"{tables.label}: durations are {latency_us / elapsed_us:.3g} times what the time "
            f"stamps say; {log.units['latency_us']} {TRUST}"
        )
    if capacity_us and work_us / capacity_us > MAX_RATIO:
        raise TraceError(
            f"{tables.label}: work is {work_us / capacity_us:.3g} times what the cores could do; "
            f"{log.units['work_us']} {TRUST}"
        )


def listed(counts: Mapping[str, int]) -> str:
    """Counts with what was counted, for people."""
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
