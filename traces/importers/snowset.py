"""Snowset: two weeks of queries on Snowflake's fleet.

CPU times are recorded, plans are not, nor what repeats: a captured plan stands for each query by
itself. Of joins, aggregations and sorts it is only known whether time was spent on them.

Source: columns as in https://github.com/resource-disaggregation/snowset, described in Vuppalapati
et al., "Building an Elastic Query Engine on Disaggregated Storage", NSDI 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from traces.importers.fleet import Log, Selection, check_parallelism
from traces.importers.fleet_queries import import_log
from traces.importers.tables import Column
from traces.model import Trace
from traces.stream import TraceStream

PARALLELISM = 8.0
"""Executors that a query is taken to hold where its CPU time is missing: a server's cores."""
COLUMNS = (
    Column("warehouseId", "VARCHAR"),
    Column("createdTime", "TIMESTAMPTZ"),
    Column("endTime", "TIMESTAMPTZ"),
    Column("durationTotal", "BIGINT"),
    Column("durationExec", "BIGINT"),
    Column("serverCount", "BIGINT"),
    Column("perServerCores", "BIGINT"),
    Column("persistentReadBytesS3", "BIGINT"),
    Column("persistentReadBytesCache", "BIGINT"),
    Column("persistentWriteBytesS3", "BIGINT"),
    Column("scanBytes", "BIGINT"),
    Column("userCpuTime", "BIGINT"),
    Column("systemCpuTime", "BIGINT"),
    Column("profHjRso", "BIGINT"),
    Column("profAggRso", "BIGINT"),
    Column("profSortRso", "BIGINT"),
)
READ = "coalesce(persistentReadBytesS3, 0) > 0 OR coalesce(persistentReadBytesCache, 0) > 0"
WRITE = "coalesce(persistentWriteBytesS3, 0) > 0"
CPU_US = "(1e0 * coalesce(userCpuTime, 0) + coalesce(systemCpuTime, 0))"
ELAPSED_US = "(1e0 * epoch_us(endTime) - epoch_us(createdTime))"


def import_snowset(
    paths: Sequence[Path],
    *,
    plans: Trace | None = None,
    selection: Selection | None = None,
    parallelism: float = PARALLELISM,
    trust_units: bool = False,
) -> TraceStream:
    """A trace of Snowset files, Parquet or CSV.

    Args:
        paths: the files.
        plans: the trace whose plans stand for the queries; None: all that are shipped.
        selection: which queries; None: all.
        parallelism: executor seconds of work for each second of execution, where no CPU time is
            recorded.
        trust_units: take times as they are, even if they cannot be right.

    Raises:
        TraceError: a file or a parameter is wrong, or no query is left.
    """
    check_parallelism(parallelism)
    return import_log(
        paths,
        _log(parallelism),
        "snowset",
        "Queries of Snowflake's fleet (Snowset), captured plans in their place",
        lambda chosen: (
            f"{chosen.work_us / 1e6:,.0f} s of CPU time; of {chosen.num_estimated:,} "
            f"queries without it, {parallelism:g} s per second of execution"
        ),
        plans=plans,
        presence_only=True,
        selection=selection,
        trust_units=trust_units,
    )


def _log(parallelism: float) -> Log:
    return Log(
        columns=COLUMNS,
        tenant="warehouse",
        values={
            "arrival_us": "epoch_us(createdTime)",
            "tenant": "warehouseId",
            "query_class": f"CASE WHEN {WRITE} THEN IF({READ}, 'read-write', 'write-only') "
            f"WHEN {READ} THEN 'read-only' ELSE 'other' END",
            "fingerprint": "NULL",
            "joins": _presence("profHjRso"),
            "aggregations": _presence("profAggRso"),
            "sorts": _presence("profSortRso"),
            "scanned_bytes": "CASE WHEN scanBytes > 0 THEN scanBytes END",
            "work_us": f"IF({CPU_US} > 0, {CPU_US}, 1e3 * durationExec * {parallelism!r}::DOUBLE)",
            "latency_us": f"coalesce(1e3 * durationTotal, {ELAPSED_US})",
            "elapsed_us": ELAPSED_US,
            "capacity_us": "1e3 * durationExec * serverCount * perServerCores",
            "is_estimated": f"{CPU_US} = 0",
        },
        left_out={
            "without execution time": f"{CPU_US} = 0 AND coalesce(durationExec, 0) = 0",
            "without a duration": "durationTotal IS NULL AND endTime IS NULL",
        },
        odd={
            "with a negative number": "least(durationTotal, durationExec, serverCount, "
            "perServerCores, userCpuTime, systemCpuTime, scanBytes) < 0",
            "that end before they arrive": "endTime < createdTime",
        },
        units={
            "latency_us": "are the durations in milliseconds?",
            "work_us": "are the CPU times in microseconds?",
        },
    )


def _presence(column: str) -> str:
    return f"IF({column} > 0, 1, 0)"
