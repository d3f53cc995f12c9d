"""Cloud Analytics Benchmark (CAB): TPC-H queries with arrivals as in Snowflake's fleet.

A query stream, a JSON file, says which query arrives when, and at which scale factor. A measured
run, a CSV file, says how long those of 20 streams took on Snowflake.

Source: https://github.com/alexandervanrenen/cab, described in van Renen and Leis, "Cloud Analytics
Benchmark", VLDB 2023.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from traces.errors import TraceError
from traces.importers.cab_queries import UPDATE, in_order, to_queries, tpch
from traces.importers.cab_run import read_run
from traces.importers.cab_streams import is_stream, read_streams
from traces.model import Trace
from traces.stream import TraceStream


def import_cab(
    paths: Sequence[Path],
    *,
    plans: Trace | None = None,
    streams: Collection[str] = (),
    max_queries: int | None = None,
    parallelism: float | None = None,
    trust_units: bool = False,
) -> TraceStream:
    """A trace of query streams, or of a measured run.

    Args:
        paths: any number of streams, or one run.
        plans: a trace with the plans of TPC-H, named q1 to q22; None: the shipped one.
        streams: only these; empty: all.
        max_queries: only the first so many; None: all.
        parallelism: for a run, executor seconds of work for each second of duration; None: 8, the
            cores of a node, or fewer if the warehouse has not so many for all queries at once.
        trust_units: take times as they are, even if they cannot be right.

    Raises:
        TraceError: a file or a parameter is wrong, or no query is left.
    """
    trace = tpch(plans)
    label = ", ".join(map(str, paths[:3])) + (", …" if len(paths) > 3 else "")
    num_streams = sum(map(is_stream, paths))
    if num_streams == len(paths) > 0:
        submissions, source = read_streams(paths, trace, trust_units)
    elif num_streams == 0 and len(paths) == 1:
        submissions, source = read_run(paths[0], trace, parallelism, trust_units)
    else:
        raise TraceError(f"{label}: expected query streams (JSON), or one measured run (CSV)")
    try:
        chosen = in_order(submissions, streams, max_queries)
        queries = list(to_queries(chosen))
    except ValueError as error:
        raise TraceError(f"{label}: {error}") from None
    num_updates = sum(one.number == UPDATE for one in chosen)
    return TraceStream(
        name="cab",
        plans=trace.plans,
        num_queries=len(queries),
        queries=queries,
        description="TPC-H queries of the Cloud Analytics Benchmark (CAB)",
        source={
            "files": ", ".join(path.name for path in paths),
            "queries": f"{len(submissions):,}, {len(queries):,} of them imported",
            "updates": f"{num_updates:,}, each as a q18",
            **source,
        },
    )
