"""Capturing a trace from Spark: run queries on PySpark and import the event log.

Needs the extra ``spark`` and Java. Nothing is downloaded.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from traces.arrivals import poisson_arrivals
from traces.capture.spark_files import Statement, find_tables, read_statements
from traces.capture.spark_session import check_spark, first_line, spark_session
from traces.errors import TraceError
from traces.importers.spark import read_application
from traces.importers.spark_application import Application
from traces.importers.spark_left_out import LeftOut
from traces.model import Plan, Query, Trace
from traces.output import temporary_directory

Say = Callable[[str], None]
"""Called with a line of text now and then."""


def capture_spark(
    queries: Sequence[Path],
    tables: Path,
    repetitions: int = 3,
    cores: int | None = None,
    memory_gb: int = 4,
    progress: Say | None = None,
) -> Trace:
    """Run queries on Spark in local mode and make a trace: 100 queries over their plans.

    Each query's result is computed in full and thrown away. Its plan is that of the execution of
    median time.

    Args:
        queries: SQL files of one query each, and directories of them.
        tables: a directory of ``NAME.parquet`` and ``NAME.csv`` (with a header), files or
            directories, each a table.
        repetitions: executions of each query; the first warms up and is dropped if there are more.
        cores: tasks that run at once; None: one for each core.
        memory_gb: largest heap of Spark's Java machine.
        progress: called with a line of text now and then.

    Raises:
        TraceError: PySpark or Java is missing, a file cannot be read, a query fails, or a
            parameter is out of range.
    """
    _check("repetitions", repetitions, 1000)
    _check("memory_gb", memory_gb, 1024)
    if cores is not None:
        _check("cores", cores, 1024)
    statements, views = read_statements(queries), find_tables(tables)
    check_spark()
    say = progress or _say_nothing
    with temporary_directory() as scratch:
        folder = scratch.resolve()
        with spark_session(folder, cores, memory_gb) as session:
            for name, path in views.items():
                register_table(session, name, path)
            for index, statement in enumerate(statements):
                _execute(session, statement, index, repetitions, say)
        logs = [file for file in (folder / "events").iterdir() if file.name[0] != "."]
        application = read_application(logs[0], LeftOut())
    plans = [
        _median_plan(statement, index, repetitions, application)
        for index, statement in enumerate(statements)
    ]
    name = tables.resolve().name
    trace = Trace(
        name=name or "spark",
        plans=tuple(plans),
        queries=(Query(query_id=0, plan=plans[0].name, arrival_us=0),),
        description=f"queries on {name}, captured from Spark",
        source={
            "engine": "Spark",
            "version": application.version,
            "command": f"lsched capture spark --tables {name}",
            "queries": ", ".join(path.name for path in queries),
            "slots": str(application.max_slots),
            "repetitions": f"{repetitions}"
            + (", the first dropped, the median kept" if repetitions > 1 else ""),
            "arrivals": "100 queries, Poisson, load 0.7 on 32 executors, seed 0",
            "date": datetime.now(UTC).date().isoformat(),
        },
    )
    return poisson_arrivals(trace, 100, seed=0, load=0.7, num_executors=32)


def _check(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise TraceError(f"{name} is {value}, expected 1 to {most}")


def _say_nothing(line: str) -> None:
    pass


def register_table(session: Any, name: str, path: Path) -> None:
    """Make a file or directory a view. Its path and its name mean nothing but themselves."""
    plain = "file://" + re.sub(r"([][{}*?\\^])", r"\\\1", str(path.resolve()))
    try:
        if path.suffix.lower() == ".csv":
            frame = session.read.csv(plain, header=True, inferSchema=True)
        else:
            frame = session.read.parquet(plain)
        frame.createOrReplaceTempView("`" + name.replace("`", "``") + "`")
    except Exception as error:  # PySpark has no common class for what Java throws
        raise TraceError(f"{path}: {first_line(error)}") from None


def _execute(session: Any, statement: Statement, index: int, repetitions: int, say: Say) -> None:
    for repetition in range(repetitions):
        start = time.perf_counter()
        try:
            frame = session.sql(statement.text)
            if frame.isLocal():
                raise TraceError("it runs nothing on Spark; expected a SELECT over the tables")
            session.sparkContext.setJobDescription(_label(index, repetition))
            frame.write.format("noop").mode("overwrite").save()
            session.sparkContext.setJobDescription(None)
        except Exception as error:
            raise TraceError(f"{statement.path}: {first_line(error)}") from None
        say(f"{statement.name}: {1e3 * (time.perf_counter() - start):.1f} ms")


def _label(index: int, repetition: int) -> str:
    """By which an execution is found in the log."""
    return f"query {index} repetition {repetition}"


def _median_plan(
    statement: Statement, index: int, repetitions: int, application: Application
) -> Plan:
    labels = {_label(index, repetition) for repetition in range(repetitions)}
    found = [query for query in application.queries if query.description in labels]
    if len(found) != repetitions:
        raise TraceError(
            f"{statement.path}: Spark's event log has {len(found)} of {repetitions} repetitions in "
            "full; it drops events when it falls behind"
        )
    kept = sorted(found[1:] or found, key=lambda query: query.end_ms - query.start_ms)
    median = kept[(len(kept) - 1) // 2]
    return Plan(name=statement.name, operators=median.operators, edges=median.edges)
