"""A run as a trace-event file, which ui.perfetto.dev and chrome://tracing open.

A process for each node with a track for each of its executors, a slice for each task, arrows from
the last task of a producer to the first of its consumer, and counters. One more process, the
cluster, has the queries from arrival to completion and the scheduling events.

Source: "Trace Event Format", the Chromium project. Times are in µs, as there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import lsched
from sim import Cluster, ClusterView, Event, Result, Schedule
from sim.active import ActiveQuery
from sim.events import EventKind
from sim.formulas import first_of_share
from sim.workload import CompiledPlan
from traces import Query, Trace

TraceEvent = dict[str, Any]
CLUSTER_PID = 1
SCHEDULES_TID = 1


class MemoryWatch:
    """Notes the memory in use at each scheduling event, for ``simulate_watched``.

    Attributes:
        used_bytes: by scheduling event, bytes on each node. Shapes: [events][nodes].
    """

    def __init__(self) -> None:
        self.used_bytes: list[list[int]] = []

    def __call__(self, view: ClusterView, schedule: Schedule) -> Schedule:
        """Take a note, and leave the answer as it is."""
        self.used_bytes.append(list(view.memory_used_bytes))
        return schedule


def put_perfetto(
    result: Result, trace: Trace, used_bytes: Sequence[Sequence[int]], out: IO[bytes]
) -> None:
    """Write a run as a trace-event file, event by event.

    Args:
        result: a run with its event log.
        trace: what it ran.
        used_bytes: by scheduling event, memory in use on each node, as ``MemoryWatch`` has it;
            shown where the cluster has a memory budget.
        out: where to.
    """
    about = {
        "trace": result.trace,
        "scheduler": result.scheduler,
        "seed": result.seed,
        "lsched_version": lsched.__version__,
    }
    out.write(b'{"displayTimeUnit":"ms","otherData":' + _json(about) + b',"traceEvents":[')
    separator = b"\n"
    for event in trace_events(result, trace, used_bytes):
        out.write(separator + _json(event))
        separator = b",\n"
    out.write(b"\n]}\n")
    out.flush()


def trace_events(
    result: Result, trace: Trace, used_bytes: Sequence[Sequence[int]] = ()
) -> Iterator[TraceEvent]:
    """The events of the file: names of tracks, then all else in the order of time.

    Raises:
        ValueError: the run has no event log.
    """
    if result.events is None:
        raise ValueError("the run has no event log, simulate with record_events=True")
    yield from _tracks(result.cluster)
    has_memory = result.cluster.memory_bytes is not None
    yield from _Writer(result.cluster, trace, used_bytes if has_memory else ()).of(result.events)


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _node_pid(node: int) -> int:
    return CLUSTER_PID + 1 + node


def _executor_track(cluster: Cluster, executor: int) -> TraceEvent:
    """Its process and thread; no thread has the number of a process, which marks main threads."""
    node = executor // cluster.executors_per_node
    return {"pid": _node_pid(node), "tid": _node_pid(cluster.num_nodes) + executor}


def _tracks(cluster: Cluster) -> Iterator[TraceEvent]:
    yield from _named({"pid": CLUSTER_PID}, "process", "cluster", 0)
    schedules = {"pid": CLUSTER_PID, "tid": SCHEDULES_TID}
    yield from _named(schedules, "thread", "scheduling events", 0)
    for node in range(cluster.num_nodes):
        yield from _named({"pid": _node_pid(node)}, "process", f"node {node}", node + 1)
    for executor in range(cluster.num_executors):
        track = _executor_track(cluster, executor)
        yield from _named(track, "thread", f"executor {executor}", executor)


def _named(track: TraceEvent, kind: str, name: str, place: int) -> Iterator[TraceEvent]:
    yield {"ph": "M", "name": f"{kind}_name", **track, "args": {"name": name}}
    yield {"ph": "M", "name": f"{kind}_sort_index", **track, "args": {"sort_index": place}}


class _Counters:
    """Numbers over time, by process and name: at each instant, those that have changed."""

    def __init__(self) -> None:
        self._values: Counter[tuple[int, str]] = Counter()
        self._written: dict[tuple[int, str], int] = {}

    def add(self, name: str, change: int) -> None:
        self._values[CLUSTER_PID, name] += change

    def set(self, pid: int, name: str, value: int) -> None:
        self._values[pid, name] = value

    def at(self, time_us: int) -> Iterator[TraceEvent]:
        for (pid, name), value in self._values.items():
            if self._written.get((pid, name)) != value:
                self._written[pid, name] = value
                what, series = name.split(maxsplit=1)  # viewers join them again
                yield {"ph": "C", "pid": pid, "name": what, "ts": time_us, "args": {series: value}}


class _Pipeline:
    """A pipeline that runs: its operators, root first, and how many of its tasks are to finish."""

    def __init__(self, active: ActiveQuery, root: int, degree: int) -> None:
        self.operators = [root]
        while len(self.operators) < degree:
            self.operators.append(active.compiled.pipeline_next[self.operators[-1]])
        self.num_tasks = self.num_left = active.num_work_orders[root]


class _Writer:
    """Goes through an event log; knows the queries that are in the system."""

    def __init__(self, cluster: Cluster, trace: Trace, used_bytes: Sequence[Sequence[int]]) -> None:
        self._cluster = cluster
        self._queries = {query.query_id: query for query in trace.queries}
        self._plans = {plan.name: CompiledPlan(plan, cluster) for plan in trace.plans}
        self._used_bytes = iter(used_bytes)
        self._active: dict[int, ActiveQuery] = {}
        self._pipelines: dict[tuple[int, int], _Pipeline] = {}
        self._arrows: dict[tuple[int, int, int], int] = {}
        self._num_arrows = 0
        self._away: set[int] = set()
        self._counters = _Counters()
        self._by_kind: dict[EventKind, Callable[[Event], Iterator[TraceEvent]]] = {
            "arrive": self._arrive,
            "schedule": self._schedule,
            "start": self._start,
            "finish": self._finish,
            "lose": self._lose,
            "complete": self._complete,
            "leave": self._leave,
            "join": self._join,
        }

    def of(self, events: Sequence[Event]) -> Iterator[TraceEvent]:
        now_us = 0
        for event in events:
            if event.time_us > now_us:
                yield from self._counters.at(now_us)
                now_us = event.time_us
            yield from self._by_kind[event.kind](event)
        for executor in sorted(self._away):
            yield {"ph": "E", **_executor_track(self._cluster, executor), "ts": now_us}
        self._count_memory([0] * self._cluster.num_nodes)  # nobody is left to hold any
        yield from self._counters.at(now_us)

    def _arrive(self, event: Event) -> Iterator[TraceEvent]:
        query = self._queries[event.query_id]
        self._active[event.query_id] = ActiveQuery(query, self._plans[query.plan], seed=0)
        self._counters.add("queries in system", 1)
        yield {"ph": "b", **_life(query), "ts": event.time_us, "args": _submission(query)}

    def _complete(self, event: Event) -> Iterator[TraceEvent]:
        query = self._active.pop(event.query_id).query
        self._counters.add("queries in system", -1)
        yield {"ph": "e", **_life(query), "ts": event.time_us}

    def _schedule(self, event: Event) -> Iterator[TraceEvent]:
        self._count_memory(next(self._used_bytes, ()))
        track = {"pid": CLUSTER_PID, "tid": SCHEDULES_TID}
        yield {"ph": "i", "s": "t", **track, "name": "schedule", "ts": event.time_us}

    def _count_memory(self, used_bytes: Sequence[int]) -> None:
        if self._cluster.memory_bytes is not None:
            for node, used in enumerate(used_bytes):
                self._counters.set(_node_pid(node), "memory used (bytes)", used)

    def _start(self, event: Event) -> Iterator[TraceEvent]:
        active, key = self._active[event.query_id], (event.query_id, event.operator)
        is_first = key not in self._pipelines
        if is_first:
            self._pipelines[key] = _Pipeline(active, event.operator, event.degree)
        pipeline = self._pipelines[key]
        track, name = _executor_track(self._cluster, event.executor), _query_name(active.query)
        operators = active.compiled.plan.operators
        labels = (f"{operators[i].kind} {operators[i].name}" for i in pipeline.operators)
        yield {
            "ph": "B",
            **track,
            "name": f"{name}: {' → '.join(label.strip() for label in labels)}",
            "cat": operators[event.operator].kind,
            "ts": event.time_us,
            "args": _task(active, pipeline, event.task),
        }
        if is_first:
            for consumer in pipeline.operators:
                for producer in active.compiled.producers[consumer]:
                    arrow = self._arrows.pop((event.query_id, producer, consumer), None)
                    if arrow is not None:
                        yield {"ph": "f", "bp": "e", **_arrow(arrow), **track, "ts": event.time_us}
        self._counters.add("executors busy", 1)

    def _finish(self, event: Event) -> Iterator[TraceEvent]:
        key = (event.query_id, event.operator)
        pipeline, track = self._pipelines[key], _executor_track(self._cluster, event.executor)
        pipeline.num_left -= 1
        if pipeline.num_left == 0:
            del self._pipelines[key]
            compiled = self._active[event.query_id].compiled
            for producer in pipeline.operators:
                for consumer in compiled.consumers[producer]:
                    if consumer not in pipeline.operators:
                        self._num_arrows += 1
                        self._arrows[event.query_id, producer, consumer] = self._num_arrows
                        yield {"ph": "s", **_arrow(self._num_arrows), **track, "ts": event.time_us}
        yield {"ph": "E", **track, "ts": event.time_us}
        self._counters.add("executors busy", -1)

    def _lose(self, event: Event) -> Iterator[TraceEvent]:
        track = _executor_track(self._cluster, event.executor)
        yield {"ph": "E", **track, "ts": event.time_us, "args": {"is_lost": True}}
        self._counters.add("executors busy", -1)

    def _leave(self, event: Event) -> Iterator[TraceEvent]:
        self._away.add(event.executor)
        track = _executor_track(self._cluster, event.executor)
        yield {"ph": "B", **track, "name": "away", "cat": "away", "ts": event.time_us}

    def _join(self, event: Event) -> Iterator[TraceEvent]:
        self._away.remove(event.executor)
        yield {"ph": "E", **_executor_track(self._cluster, event.executor), "ts": event.time_us}


def _query_name(query: Query) -> str:
    return f"{query.plan} #{query.query_id}"


def _life(query: Query) -> TraceEvent:
    """What the two events of a query's time in the system share."""
    name = _query_name(query)
    return {"pid": CLUSTER_PID, "cat": "query", "id": query.query_id, "name": name}


def _submission(query: Query) -> TraceEvent:
    """What is known of a query when it arrives, without what is empty."""
    fields = ("plan", "template", "tenant", "query_class", "size_factor")
    return {name: value for name in fields if (value := getattr(query, name)) != ""}


def _arrow(number: int) -> TraceEvent:
    return {"name": "output", "cat": "dependency", "id": number}


def _task(active: ActiveQuery, pipeline: _Pipeline, task: int) -> TraceEvent:
    """Arguments of a slice: the work orders that the task runs, by operator."""
    return {
        "query_id": active.query.query_id,
        "task": task,
        "num_tasks": pipeline.num_tasks,
        "operators": [
            _share(active, operator, task, pipeline.num_tasks) for operator in pipeline.operators
        ],
    }


def _share(active: ActiveQuery, operator: int, task: int, num_tasks: int) -> TraceEvent:
    """An operator's work orders in a task."""
    recorded, count = active.compiled.plan.operators[operator], active.num_work_orders[operator]
    first = first_of_share(task, count, num_tasks)
    return {
        "operator": operator,
        "kind": recorded.kind,
        "name": recorded.name,
        "first_work_order": first,
        "num_work_orders": first_of_share(task + 1, count, num_tasks) - first,
        "est_work_order_us": round(active.est_work_order_us[operator]),
    }
