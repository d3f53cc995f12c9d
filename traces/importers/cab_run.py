"""Measured runs of the Cloud Analytics Benchmark: CSV files, one a run of all streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from traces.errors import TraceError
from traces.importers.cab_queries import Submission, plan_name
from traces.importers.fleet import MAX_ODD_SHARE, TRUST, check_parallelism, check_year, iso_time
from traces.importers.matching import Candidates, Floats
from traces.importers.tables import Column, Tables
from traces.model import Trace

NODE_CORES = 8
"""Cores of a Snowflake node, as CAB's generator reckons; ``warehouse_size`` counts nodes."""
COLUMNS = (
    Column("query_stream_id", "VARCHAR"),
    Column("query_id", "BIGINT"),
    Column("warehouse_size", "BIGINT"),
    Column("runtime", "BIGINT"),
    Column("start", "BIGINT"),
    Column("relative_start", "BIGINT"),
    Column("query_duration", "BIGINT"),
    Column("query_duration_with_queue", "BIGINT"),
    Column("start_delay", "BIGINT"),
)
ODD = (
    "least(relative_start - start_delay, query_duration, start_delay) < 0 "
    "OR query_duration_with_queue < query_duration - 1000"
)
"""Rows that cannot be; a second for clocks that are read one after the other."""


def read_run(
    path: Path, plans: Trace, parallelism: float | None, trust_units: bool
) -> tuple[list[Submission], dict[str, str]]:
    """The queries of a run, and what people should know of them.

    Arrivals are the planned ones, ``relative_start`` − ``start_delay``, which latencies count from.
    The size of a stream's database is not in the file: the median of its queries' work ÷ their
    plans' stands for it.

    Args:
        path: the file.
        plans: those of TPC-H.
        parallelism: executor seconds of work for each second of ``query_duration``; None: a node's
            cores, or fewer if the whole warehouse has not so many for all queries at once.
        trust_units: take times as they are.

    Raises:
        TraceError: the file is not a run, or its units cannot be right.
    """
    if parallelism is not None:
        check_parallelism(parallelism)
    tables = Tables([path], COLUMNS)
    rows = tables.over_files(
        f"SELECT {', '.join(name for name, _ in COLUMNS)}, {ODD} AS is_odd FROM source"
    )
    tables.close()
    complete = [row for row in rows if None not in row]
    kept = [row for row in complete if not row[-1] and row[6] > 0]
    num_odd = sum(row[-1] for row in complete)
    if num_odd > MAX_ODD_SHARE * len(rows) and not trust_units:
        raise TraceError(
            f"{path}: rows with negative times or a query_duration longer than "
            f"query_duration_with_queue: {num_odd:,} of {len(rows):,} {TRUST}"
        )
    if not kept:
        raise TraceError(f"{path}: no query to import, of {len(rows):,} rows")
    numbers = np.array([row[1:-1] for row in kept], float)
    number, nodes, runtime_s, start, relative, duration, latency, delay = numbers.T
    arrival_ms = relative - delay
    if relative.max() > 2e3 * runtime_s.max() and not trust_units:
        raise TraceError(
            f"{path}: relative_start is up to {relative.max():.0f} ms, runtime "
            f"{runtime_s.max():g} s; are they in those units? {TRUST}"
        )
    origin_us = round(1e3 * (start - relative).min())
    check_year(str(path), origin_us)
    cores = NODE_CORES * nodes.max()
    share = cores * ((arrival_ms + latency).max() - arrival_ms.min()) / duration.sum()
    factor = parallelism or min(float(NODE_CORES), share)
    try:
        names = [plan_name(one) for one in number.astype(int).tolist()]
        sizes, times = _factors(plans, [row[0] for row in kept], names, 1e3 * factor * duration)
    except TraceError as error:
        raise TraceError(f"{path}: {error}") from None
    source = {
        "start": iso_time(origin_us),
        "left out": f"{len(rows) - len(kept):,} rows without a time or with an impossible one",
        "work": f"{factor:.3g} s per second of query_duration, on {cores:g} cores",
    }
    return [
        Submission(row[0], row[1], 1000 * (row[5] - row[8]), size, time, 1000 * row[7])
        for row, size, time in zip(kept, sizes.tolist(), times.tolist(), strict=True)
    ], source


def _factors(
    plans: Trace, streams: list[str], names: list[str], work_us: Floats
) -> tuple[Floats, Floats]:
    candidates = Candidates(plans.plans)
    places = {plan.name: index for index, plan in enumerate(plans.plans)}
    indices = np.array([places[name] for name in names])
    ratios, of_stream = work_us / candidates.features.work_us[indices], np.array(streams)
    sizes = np.empty(len(names))
    for stream in set(streams):
        sizes[of_stream == stream] = np.median(ratios[of_stream == stream])
    return candidates.factors(indices, sizes, work_us)
