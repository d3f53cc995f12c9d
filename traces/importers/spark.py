"""Importing Spark event logs: each SQL execution is a query, each stage that ran an operator."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from traces.errors import TraceError
from traces.importers.spark_application import Application, SparkQuery
from traces.importers.spark_left_out import LeftOut, Reason
from traces.importers.spark_log import EventLog
from traces.model import Plan, Query, Trace

MAX_NAME = 60
"""Longest name of a plan; descriptions may be whole statements."""


def import_spark(paths: Sequence[Path], name: str = "spark") -> Trace:
    """A trace of what Spark applications ran, from their event logs.

    Args:
        paths: logs, plain or gzipped JSON Lines, and directories of rolling logs. Each holds one
            application. Queries keep the order and the distances of the wall clock.
        name: of the trace.

    Raises:
        TraceError: a log cannot be read or contradicts itself, or there is no query in them.
    """
    left_out = LeftOut()
    applications = []
    known = set()
    for path in paths:
        if (target := os.path.realpath(path)) in known:
            raise TraceError(f"{path}: given twice")
        known.add(target)
        applications.append(read_application(path, left_out))
    queries = [query for application in applications for query in application.queries]
    given = ", ".join(str(path) for path in paths)
    if not queries:
        raise TraceError(
            f"{given or 'no logs given'}: no SQL execution ended with completed stages; "
            f"left out: {left_out}"
        )
    queries.sort(key=lambda query: query.start_ms)
    try:
        return _to_trace(name, queries, _source(paths, applications, queries, left_out))
    except ValueError as error:
        raise TraceError(f"{given}: {error}") from None


def read_application(path: Path, left_out: LeftOut) -> Application:
    """The application of one log.

    Raises:
        TraceError: the log cannot be read or contradicts itself.
    """
    log, application = EventLog(path), Application(left_out)
    for event in log.events():
        try:
            application.add(event)
        except ValueError as error:
            raise TraceError(f"{log.place}: {error}") from None
    application.end()
    left_out.add(Reason.CUT, int(log.is_cut))
    return application


def _to_trace(name: str, queries: list[SparkQuery], source: dict[str, str]) -> Trace:
    names = _Names()
    plans = [
        Plan(name=names.unique(query.description), operators=query.operators, edges=query.edges)
        for query in queries
    ]
    return Trace(
        name=name,
        plans=tuple(plans),
        queries=tuple(
            Query(
                query_id=index,
                plan=plan.name,
                arrival_us=1000 * (query.start_ms - queries[0].start_ms),
                tenant=query.application,
                query_class=query.pool,
                recorded_latency_us=1000 * (query.end_ms - query.start_ms),
            )
            for index, (query, plan) in enumerate(zip(queries, plans, strict=True))
        ),
        description="SQL executions of Spark, imported from event logs",
        source=source,
    )


class _Names:
    """Plan names: one for each execution, numbered from the second of a description on."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def unique(self, description: str) -> str:
        """A name that was not given before."""
        short = " ".join(description.split())
        short = short if len(short) <= MAX_NAME else short[: MAX_NAME - 1] + "…"
        name = short
        while name in self._counts:
            self._counts[short] += 1
            name = f"{short}-{self._counts[short]}"
        self._counts[name] = 1
        return name


def _source(
    paths: Sequence[Path],
    applications: list[Application],
    queries: list[SparkQuery],
    left_out: LeftOut,
) -> dict[str, str]:
    num_executions = sum(application.num_executions for application in applications)
    num_nested = sum(application.num_nested for application in applications)
    operators = [operator for query in queries for operator in query.operators]
    num_tasks = sum(operator.num_work_orders for operator in operators)
    work_s = sum(query.work_ms for query in queries) / 1000
    source = {
        "engine": "Spark",
        "version": _listed(application.version for application in applications),
        "command": f"lsched import spark {' '.join(path.name for path in paths)}",
        "applications": _listed(application.name for application in applications),
        "slots": _listed(str(application.max_slots) for application in applications),
        "read": f"{num_executions} SQL executions"
        + (f", {num_nested} of them parts of others" if num_nested else ""),
        "imported": f"{len(queries)} SQL executions, {len(operators)} stages, {num_tasks} tasks, "
        f"{work_s:.3f} s of work",
        "left out": str(left_out),
    }
    if num_short := sum(query.num_short for query in queries):
        source["short tasks"] = f"{num_short} tasks of 0 ms became 1 µs"
    return source


def _listed(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(filter(None, values)))
