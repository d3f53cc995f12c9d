"""Alibaba cluster trace v2018: jobs of a batch system, with real task graphs and times.

Each job becomes a query with a plan of its own: a task is a stage, its instances are work orders,
each as long as the task took, which is an upper bound. What a task waits for is in its name:
``J5_3_4`` is task 5 and waits for 3 and 4; tasks with other names wait for nothing.

Source: https://github.com/alibaba/clusterdata, cluster-trace-v2018, ``batch_task.csv``.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from traces.errors import TraceError
from traces.importers.fleet import MAX_HOURS, MAX_ODD_SHARE, TRUST, listed
from traces.importers.tables import Column, Tables
from traces.model import Edge, Operator, Plan, Query
from traces.stream import TraceStream

COLUMNS = (
    Column("task_name", "VARCHAR"),
    Column("instance_num", "BIGINT"),
    Column("job_name", "VARCHAR"),
    Column("task_type", "VARCHAR"),
    Column("status", "VARCHAR"),
    Column("start_time", "BIGINT"),
    Column("end_time", "BIGINT"),
    Column("plan_cpu", "VARCHAR"),
    Column("plan_mem", "VARCHAR"),
)
"""The file has no header; this is the order of its columns. Not all are used."""
BACKWARDS = "with tasks that end before they start"
MAX_QUERIES = 10_000
"""Jobs that are imported if nothing else is said; the whole log has four million."""
DAY_S = 86_400
MAX_DAYS = 30
"""The log has 8 days; with times after this, they are not in seconds."""
SHORTEST_US = 500_000
"""Times are whole seconds; what begins and ends within one is taken to last half of it."""
TASK = re.compile(r"[A-Za-z]+([0-9]{1,9})((?:_[^_]*)*)")
"""The number of a task and what follows: numbers of its parents, and words such as ``Stg1``."""
PARENT = re.compile(r"(?<=_)[0-9]{1,9}(?=_|$)")
FLAWS = {
    "without a name": "job_name IS NULL",
    "with tasks that did not terminate": "status IS NULL OR status <> 'Terminated'",
    "with tasks beyond the ends of the log": "coalesce(start_time, 0) <= 0 "
    "OR coalesce(end_time, 0) <= 0",
    BACKWARDS: "end_time < start_time",
    "with tasks without instances": "coalesce(instance_num, 0) < 1",
}
"""Why a job is left out: SQL that says so of one of its tasks."""


def import_alibaba(
    paths: Sequence[Path],
    *,
    start_s: float = 0.0,
    hours: float | None = None,
    max_queries: int = MAX_QUERIES,
    trust_units: bool = False,
) -> TraceStream:
    """A trace of the jobs in ``batch_task.csv``.

    A job arrives when its first task starts, as the log has no submissions.

    Args:
        paths: the file, or pieces of it, CSV without header or Parquet.
        start_s: only jobs that arrive then or later, s from the start of the log.
        hours: how long from then; None: to the end.
        max_queries: only the first so many.
        trust_units: take times as they are, even if they cannot be right.

    Raises:
        TraceError: a file or a parameter is wrong, or no job is left.
    """
    if not 0 <= start_s <= 1e9:
        raise TraceError(f"start_s is {start_s}, expected 0 to 1000000000")
    if hours is not None and not 0 < hours <= MAX_HOURS:
        raise TraceError(f"hours is {hours}, expected more than 0 and at most {MAX_HOURS}")
    if max_queries < 1:
        raise TraceError(f"max_queries is {max_queries}, expected at least 1")
    tables = Tables(paths, COLUMNS, has_header=False)
    end_s = start_s + 3600 * (MAX_HOURS if hours is None else hours)
    counts = _choose(tables, start_s, end_s, max_queries, trust_units)
    jobs = _Jobs()
    for tasks in _jobs(tables):
        try:
            jobs.add(tasks)
        except ValueError as error:
            raise TraceError(f"{tables.label}: job {tasks[0].job!r}: {error}") from None
    tables.close()
    if not jobs.queries:
        raise TraceError(f"{tables.label}: no job to import: {listed(jobs.left_out)}")
    counts |= jobs.left_out
    return TraceStream(
        name="alibaba",
        plans=jobs.plans,
        num_queries=len(jobs.queries),
        queries=jobs.queries,
        description="Jobs of the Alibaba cluster trace v2018, each with a plan of its own",
        source={
            "files": ", ".join(path.name for path in paths),
            "start": f"{jobs.origin_s} s after the start of the log",
            "jobs": f"{len(jobs.queries) + sum(counts.values()):,}, {len(jobs.queries):,} of them "
            "imported",
            "left out": listed(counts) or "none",
            "work": f"{jobs.work_us / 1e6:,.0f} s, each instance as long as its task",
            "parents that are not in their job": f"{jobs.num_missing:,}, ignored",
        },
    )


class _Task(NamedTuple):
    job: str
    name: str
    num_instances: int
    start_s: int
    end_s: int


class _Jobs:
    """Plans and queries of jobs that come in order of arrival."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.queries: list[Query] = []
        self.origin_s = 0
        self.work_us = 0.0
        self.num_missing = 0
        self.left_out: Counter[str] = Counter()

    def add(self, tasks: Sequence[_Task]) -> None:
        """Add a job, or leave it out; ValueError if it is out of range."""
        start_s = min(task.start_s for task in tasks)
        if not self.queries:
            self.origin_s = start_s - start_s % DAY_S
        operators = tuple(map(_operator, tasks))
        names = [TASK.fullmatch(task.name) for task in tasks]
        numbers = {int(name[1]): place for place, name in enumerate(names) if name}
        if len(numbers) < sum(name is not None for name in names):
            self.left_out["with two tasks of one number"] += 1
            return
        waits = [
            (numbers.get(int(parent)), place)
            for place, name in enumerate(names)
            for parent in (set(PARENT.findall(name[2])) if name else ())
        ]
        edges = sorted((parent, place) for parent, place in waits if parent is not None)
        try:
            plan = Plan(
                name=tasks[0].job,
                operators=operators,
                edges=tuple(Edge(*edge) for edge in edges),
            )
        except ValueError:
            self.left_out["with tasks that wait for each other in a circle"] += 1
            return
        query = Query(
            query_id=len(self.queries),
            plan=plan.name,
            arrival_us=1_000_000 * (start_s - self.origin_s),
            recorded_latency_us=1_000_000 * (max(task.end_s for task in tasks) - start_s),
        )
        self.plans.append(plan)
        self.queries.append(query)
        self.work_us += plan.work_us
        self.num_missing += len(waits) - len(edges)


def _choose(
    tables: Tables, start_s: float, end_s: float, max_queries: int, trust_units: bool
) -> dict[str, int]:
    """Make the table ``chosen`` of the jobs that are imported; how many jobs are not, by reason."""
    tables.execute(
        "CREATE TABLE tasks (job VARCHAR, name VARCHAR, num_instances BIGINT, start_s BIGINT, "
        "end_s BIGINT, flaw VARCHAR)"
    )
    flaws = " ".join(f"WHEN {sql} THEN '{reason}'" for reason, sql in FLAWS.items())
    tables.insert(
        "tasks",
        "SELECT coalesce(job_name, ''), coalesce(task_name, ''), instance_num, start_time, "
        f"end_time, CASE {flaws} ELSE '' END FROM source",
    )
    tables.execute(
        "CREATE TABLE jobs AS SELECT job, min(start_s) AS start_s, max(flaw) AS flaw "
        "FROM tasks GROUP BY job"
    )
    if not trust_units:
        _check_units(tables)
    inside = "flaw = '' AND start_s >= $start_s AND start_s < $end_s"
    window = {"start_s": start_s, "end_s": end_s}
    counts = dict(
        tables.execute(
            f"SELECT IF(flaw = '' AND NOT ({inside}), 'outside the window', flaw), count(*) "
            "FROM jobs GROUP BY 1 ORDER BY 1",
            **window,
        )
    )
    if not (num_inside := counts.pop("", 0)):
        raise TraceError(f"{tables.label}: no job to import: {listed(counts) or 'no rows'}")
    tables.execute(
        f"CREATE TABLE chosen AS SELECT job, start_s FROM jobs WHERE {inside} "
        "ORDER BY start_s, job LIMIT $most",
        most=max_queries,
        **window,
    )
    if num_inside > max_queries:
        counts[f"after the first {max_queries:,}"] = num_inside - max_queries
    return counts


def _check_units(tables: Tables) -> None:
    [(num_tasks, num_backwards, last_s)] = tables.execute(
        "SELECT count(*), count_if(flaw = $flaw), max(end_s) FROM tasks", flaw=BACKWARDS
    )
    if num_backwards > MAX_ODD_SHARE * num_tasks:
        raise TraceError(
            f"{tables.label}: {num_backwards:,} of {num_tasks:,} tasks end before they start; are "
            f"start_time and end_time the columns 6 and 7? {TRUST}"
        )
    if last_s is not None and last_s > MAX_DAYS * DAY_S:
        raise TraceError(
            f"{tables.label}: a task ends {last_s:,} s after the start of the log, which has 8 "
            f"days; are times in seconds? {TRUST}"
        )


def _jobs(tables: Tables) -> Iterator[list[_Task]]:
    """The tasks of each chosen job."""
    batches = tables.batches(
        "SELECT job, name, num_instances, tasks.start_s, end_s FROM tasks JOIN chosen USING (job) "
        "ORDER BY chosen.start_s, job, tasks.rowid"
    )
    tasks = itertools.starmap(_Task, itertools.chain.from_iterable(batches))
    for _, of_job in itertools.groupby(tasks, key=lambda task: task.job):
        yield list(of_job)


def _operator(task: _Task) -> Operator:
    return Operator(
        kind="stage",
        name=task.name,
        num_work_orders=task.num_instances,
        work_order_us=(max(1_000_000 * (task.end_s - task.start_s), SHORTEST_US),),
    )
