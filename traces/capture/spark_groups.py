"""Running groups of concurrent queries on Spark, and reading its event log of them.

Needs the extra ``spark`` and Java.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from traces.capture.spark import register_table
from traces.capture.spark_files import find_tables
from traces.capture.spark_session import check_spark, first_line, spark_session
from traces.capture.together import Submission, Timing, run_together
from traces.errors import TraceError
from traces.importers.spark import read_application
from traces.importers.spark_application import SparkQuery
from traces.importers.spark_left_out import LeftOut
from traces.output import temporary_directory

Say = Callable[[str], None]
"""Called with a line of text now and then."""


@dataclass(frozen=True, kw_only=True)
class SparkSettings:
    """How Spark is run.

    Attributes:
        scheduler: ``spark.scheduler.mode``: how the tasks of concurrent jobs are ordered. With
            FAIR each submission has a pool of its own, named after its place in its group.
        cores: tasks that run at once.
        memory_gb: largest heap of Spark's Java machine.
        is_adaptive: adaptive query execution (``spark.sql.adaptive.enabled``).
        shuffle_partitions: tasks of a stage that reads a shuffle.
        split_mb: most of a file that one task reads.
    """

    scheduler: Literal["FIFO", "FAIR"]
    cores: int
    memory_gb: int = 4
    is_adaptive: bool = False
    shuffle_partitions: int = 4
    split_mb: int = 8

    def options(self) -> dict[str, str]:
        """Spark's own settings."""
        return {
            "spark.scheduler.mode": self.scheduler,
            "spark.sql.adaptive.enabled": str(self.is_adaptive).lower(),
            "spark.sql.shuffle.partitions": str(self.shuffle_partitions),
            "spark.sql.files.maxPartitionBytes": f"{self.split_mb}m",
        }


@dataclass(frozen=True, slots=True)
class SparkRun:
    """A submission as its client saw it, and as Spark logged it."""

    timing: Timing
    execution: SparkQuery


@dataclass(frozen=True, slots=True)
class SparkSession:
    """What a session ran: its runs by group, and Spark's version."""

    groups: tuple[tuple[SparkRun, ...], ...]
    version: str


def run_spark_groups(
    tables: Path,
    texts: Mapping[str, str],
    groups: Sequence[Sequence[Submission]],
    settings: SparkSettings,
    progress: Say | None = None,
) -> SparkSession:
    """Run groups of submissions one after the other in one session of Spark in local mode.

    Args:
        tables: a directory of tables, as ``capture_spark`` takes it.
        texts: SQL by the name of the query.
        groups: submissions; each group begins when the one before has ended.
        settings: how Spark is run.
        progress: called with a line of text after each group.

    Raises:
        TraceError: PySpark or Java is missing, a query fails, or the event log is incomplete.
    """
    check_spark()
    timings: list[list[Timing]] = []
    with temporary_directory() as scratch:
        folder = scratch.resolve()
        with spark_session(
            folder, settings.cores, settings.memory_gb, settings.options()
        ) as session:
            for name, path in find_tables(tables).items():
                register_table(session, name, path)
            for number, group in enumerate(groups):
                timings.append(_run_group(session, texts, group, number))
                if progress is not None:
                    progress(_said(number, len(groups), timings[-1]))
        logs = [file for file in (folder / "events").iterdir() if file.name[0] != "."]
        application = read_application(logs[0], LeftOut())
    found = {query.description: query for query in application.queries}
    runs = []
    for number, group_timings in enumerate(timings):
        labels = [_label(number, timing.submission) for timing in group_timings]
        for label in labels:
            if label not in found:
                raise TraceError(
                    f"{label}: not in Spark's event log in full; it drops events when it falls "
                    "behind"
                )
        pairs = zip(group_timings, labels, strict=True)
        runs.append(tuple(SparkRun(timing, found[label]) for timing, label in pairs))
    return SparkSession(tuple(runs), application.version)


def _run_group(
    session: Any, texts: Mapping[str, str], group: Sequence[Submission], number: int
) -> list[Timing]:
    context = session.sparkContext
    places = {submission.label: place for place, submission in enumerate(group)}

    def execute(submission: Submission) -> None:
        try:
            # Both belong to this thread: PySpark pins a thread of Java's to each.
            context.setJobDescription(_label(number, submission))
            context.setLocalProperty("spark.scheduler.pool", f"{places[submission.label]:06d}")
            session.sql(texts[submission.query]).write.format("noop").mode("overwrite").save()
        except Exception as error:  # PySpark has no common class for what Java throws
            raise TraceError(f"{submission.query}: {first_line(error)}") from None

    def cancel() -> None:
        with suppress(Exception):  # Java may have gone
            context.stop()  # cancelled jobs alone would be followed by the query's next ones

    return run_together(group, execute, cancel)


def _label(number: int, submission: Submission) -> str:
    """By which an execution is found in the log."""
    return f"group {number} {submission.label}"


def _said(number: int, num_groups: int, timings: Sequence[Timing]) -> str:
    end_s = max(timing.arrival_s + timing.latency_s for timing in timings)
    return f"Spark, group {number + 1} of {num_groups}: {len(timings)} queries in {end_s:.1f} s"
