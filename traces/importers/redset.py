"""Redset: three months of queries on a sample of Amazon Redshift's fleet.

It has neither plans nor CPU times: captured plans stand for its queries, and some seconds of work
for a second of execution.

Source: columns as in https://github.com/amazon-science/redset, described in van Renen et al., "Why
TPC Is Not Enough: An Analysis of the Amazon Redshift Fleet", VLDB 2024.
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
"""Executors that a query is taken to hold while it executes; nothing that is recorded says."""
COLUMNS = (
    Column("instance_id", "VARCHAR"),
    Column("arrival_timestamp", "TIMESTAMPTZ"),
    Column("compile_duration_ms", "BIGINT"),
    Column("queue_duration_ms", "BIGINT"),
    Column("execution_duration_ms", "BIGINT"),
    Column("feature_fingerprint", "VARCHAR"),
    Column("was_aborted", "BOOLEAN"),
    Column("was_cached", "BOOLEAN"),
    Column("query_type", "VARCHAR"),
    Column("mbytes_scanned", "DOUBLE"),
    Column("num_joins", "BIGINT"),
    Column("num_aggregations", "BIGINT"),
)


def import_redset(
    paths: Sequence[Path],
    *,
    plans: Trace | None = None,
    selection: Selection | None = None,
    parallelism: float = PARALLELISM,
    trust_units: bool = False,
) -> TraceStream:
    """A trace of Redset files, Parquet or CSV.

    Args:
        paths: the files.
        plans: the trace whose plans stand for the queries; None: all that are shipped.
        selection: which queries; None: all.
        parallelism: executor seconds of work for each second of execution.
        trust_units: take times as they are, even if they cannot be right.

    Raises:
        TraceError: a file or a parameter is wrong, or no query is left.
    """
    check_parallelism(parallelism)
    return import_log(
        paths,
        _log(parallelism),
        "redset",
        "Queries of Amazon Redshift's fleet (Redset), captured plans in their place",
        lambda chosen: f"{chosen.work_us / 1e6:,.0f} s, {parallelism:g} per second of execution",
        plans=plans,
        presence_only=False,
        selection=selection,
        trust_units=trust_units,
    )


def _log(parallelism: float) -> Log:
    return Log(
        columns=COLUMNS,
        tenant="instance",
        values={
            "arrival_us": "epoch_us(arrival_timestamp)",
            "tenant": "instance_id",
            "query_class": "query_type",
            "fingerprint": "feature_fingerprint",
            "joins": "coalesce(num_joins, 0)",
            "aggregations": "coalesce(num_aggregations, 0)",
            "sorts": "NULL",
            "scanned_bytes": "CASE WHEN mbytes_scanned > 0 THEN least(1e6 * mbytes_scanned, 1e18) "
            "END",
            "work_us": f"1e3 * execution_duration_ms * {parallelism!r}::DOUBLE",
            "latency_us": "1e3 * execution_duration_ms + 1e3 * coalesce(queue_duration_ms, 0) "
            "+ 1e3 * coalesce(compile_duration_ms, 0)",
            "elapsed_us": "NULL",
            "capacity_us": "NULL",
            "is_estimated": "true",
        },
        left_out={
            "cached": "was_cached",
            "aborted": "was_aborted",
            "without execution time": "coalesce(execution_duration_ms, 0) = 0",
        },
        odd={
            "with a negative number": "least(execution_duration_ms, queue_duration_ms, "
            "compile_duration_ms, mbytes_scanned, num_joins, num_aggregations) < 0",
        },
        units={"latency_us": "are the durations in milliseconds?"},
    )
