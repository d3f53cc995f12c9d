"""A million queries, 20 million work orders: replayed from a file, in how much memory?

Prints the most memory that the process has held after each tenth of the queries, which should
hardly grow, and the time that it took.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import sim
import traces
from lsched.report import RECORD_FIELDS, csv_rows, record_row
from sim import QueryRecord
from sim.engines import ready_engine
from traces import Operator, Plan, Query, TraceStream
from traces.output import atomic_file

NUM_QUERIES = 1_000_000
NUM_EXECUTORS = 8
LOAD = 0.7
PLAN = Plan(
    name="scan",
    operators=(Operator(kind="scan", num_work_orders=20, work_order_us=tuple(range(800, 1200))),),
)


def stream(num_queries: int) -> TraceStream:
    """Poisson arrivals of one plan."""

    def queries() -> Iterator[Query]:
        generator = np.random.default_rng(0)
        mean_gap_us, now_us = PLAN.work_us / NUM_EXECUTORS / LOAD, 0.0
        for index in range(num_queries):
            now_us += generator.exponential(mean_gap_us)
            yield Query(query_id=index, plan=PLAN.name, arrival_us=round(now_us))

    return TraceStream("long", (PLAN,), num_queries, queries())


def peak_mb() -> float:
    """Most memory that this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(num_queries: int) -> None:
    """Write the trace, replay it, write a row for each query."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.jsonl.gz"
        traces.write(stream(num_queries), path)
        ready_engine()
        started_s = time.monotonic()
        with atomic_file(Path(folder) / "queries.csv") as out, csv_rows(RECORD_FIELDS, out) as row:
            done = 0

            def note(record: QueryRecord) -> None:
                nonlocal done
                done += 1
                row(record_row(record))
                if done % (num_queries // 10) == 0:
                    spent_s = time.monotonic() - started_s
                    print(f"{done:>9,} queries  {peak_mb():4.0f} MB  {spent_s:5.0f} s", flush=True)

            totals = sim.simulate(
                traces.open_stream(path),
                "fair",
                cluster=sim.Cluster(executors_per_node=NUM_EXECUTORS),
                on_record=note,
                keep_records=False,
            ).totals
    print(f"{totals.num_queries:,} queries, {totals.num_work_orders:,} work orders")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else NUM_QUERIES)
