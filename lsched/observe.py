"""What work orders take, as the logs of runs show it: by wave, and by the query's executors."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from lsched.errors import OptionError
from sim import Cluster, Event, simulate
from traces import Trace
from traces.model import Operator, Plan, Wave

FRESH, FIRST, REST = range(3)
"""Waves, see ``traces.model.Wave``."""
MOST_COUNTS, LEAST_SEEN = 4, 16
"""Times are kept for so many numbers of executors at most, each with so many times at least."""
MOST_TIMES = 32
"""Of a wave, so many times are kept at most: quantiles."""


class Seen(NamedTuple):
    """Tasks, one element each.

    Attributes:
        operator: counted over all plans of the trace.
        wave: which.
        num_executors: that the query held when it began.
        time_us: without the move.
    """

    operator: np.ndarray
    wave: np.ndarray
    num_executors: np.ndarray
    time_us: np.ndarray


def observed(
    trace: Trace,
    runs: Iterable[Trace],
    cluster: Cluster,
    schedulers: Sequence[str],
    seeds: Sequence[int],
) -> Trace:
    """The plans of a trace with the times that runs show; of what no run shows, the estimate.

    Args:
        trace: whose plans.
        runs: traces over its plans, each run once, under one scheduler after the other in turn.
        cluster: where.
        schedulers: texts.
        seeds: of the runs.

    Raises:
        OptionError: operators run in pipelines, or work orders in batches, in whose log single ones
            are not told apart; or there are more schedulers than seeds.
    """
    if cluster.work_orders_per_batch > 1:
        raise OptionError(
            f"work_orders_per_batch is {cluster.work_orders_per_batch}: logs do not tell the work "
            "orders of a batch apart; add work_orders_per_batch=1 to the cluster"
        )
    if len(schedulers) > len(seeds):
        raise OptionError(f"{len(schedulers)} schedulers need as many seeds, got {len(seeds)}")
    for plan in trace.plans:
        if not all(edge.is_pipeline_breaker for edge in plan.edges):
            raise OptionError(
                f"plan {plan.name!r} has operators that run in one pipeline, which logs do not "
                "tell apart: only plans whose edges all break pipelines can be observed"
            )
    firsts, count = dict[str, int](), 0
    for plan in trace.plans:
        firsts[plan.name] = count
        count += len(plan.operators)
    parts = [
        _seen(run, cluster, scheduler, seed=seed, firsts=firsts)
        for run, scheduler, seed in zip(runs, itertools.cycle(schedulers), seeds, strict=False)
    ]
    seen = Seen(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    order = np.argsort(seen.operator, kind="stable")
    seen = Seen(*(column[order] for column in seen))
    plans = tuple(_with_times(plan, firsts[plan.name], seen) for plan in trace.plans)
    return msgspec.structs.replace(trace, plans=plans)


def _seen(
    run: Trace, cluster: Cluster, scheduler: str, *, seed: int, firsts: dict[str, int]
) -> Seen:
    """The tasks of one run."""
    result = simulate(run, scheduler, cluster=cluster, seed=seed, record_events=True)
    plans = {query.query_id: firsts[query.plan] for query in run.queries}
    rows = list(_tasks(result.events or [], plans, cluster))
    return Seen(*np.array(rows, np.int64).reshape(-1, 4).T)


def _tasks(
    events: Iterable[Event], firsts: dict[int, int], cluster: Cluster
) -> Iterator[tuple[int, int, int, int]]:
    """Elements of ``Seen`` from the log of a run."""
    places = _Places(cluster)
    held = dict[int, int]()
    begun = dict[int, tuple[int, int, int]]()
    just_begun = list[Event]()
    for event in events:
        if just_begun and (event.kind != "start" or event.time_us > just_begun[0].time_us):
            for start in just_begun:
                begun[start.executor] = (*begun[start.executor][:2], held[start.query_id])
            just_begun.clear()
        if event.kind == "start":
            held[event.query_id] = held.get(event.query_id, 0) + 1
            wave, moved_us = places.begin(event)
            begun[event.executor] = event.time_us + moved_us, wave, 0
            just_begun.append(event)
        elif event.kind in ("finish", "lose"):
            held[event.query_id] -= 1
            time_us, wave, num_executors = begun.pop(event.executor)
            if event.kind == "finish":
                operator = firsts[event.query_id] + event.operator
                yield operator, wave, max(num_executors, 1), max(event.time_us - time_us, 1)
        elif event.kind == "complete":
            places.complete(event.query_id)
        elif event.kind == "leave":
            places.leave(event.executor)


class _Places:
    """Where executors have worked, which says what wave a task is of and whether there is a move.

    Args:
        cluster: theirs.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._executors_per_node = cluster.executors_per_node
        self._move_us, across_us = cluster.move_delay_us, cluster.move_across_delay_us
        self._across_us = self._move_us if across_us is None else across_us
        self._query_of = dict[int, int]()  # by executor, the query that it is local to
        self._known = dict[int, set[tuple[int, int]]]()  # by executor, queries and operators
        self._nodes_of = dict[int, set[int]]()  # by query, where it has run

    def begin(self, event: Event) -> tuple[int, int]:
        """A task begins: its wave, and the time of the move before it, µs."""
        executor, query = event.executor, event.query_id
        operators = self._known.setdefault(executor, set())
        nodes = self._nodes_of.setdefault(query, set())
        wave = REST if (query, event.operator) in operators else FIRST
        operators.add((query, event.operator))
        if self._query_of.get(executor) == query:
            return wave, 0
        self._query_of[executor] = query
        node = executor // self._executors_per_node
        is_new = bool(nodes) and node not in nodes
        nodes.add(node)
        return FRESH, self._across_us if is_new else self._move_us

    def complete(self, query: int) -> None:
        """Nobody is local to a query any more, and the next one may have the same number."""
        self._query_of = {at: each for at, each in self._query_of.items() if each != query}
        self._nodes_of.pop(query, None)

    def leave(self, executor: int) -> None:
        """An executor leaves; when it joins again, it knows nothing."""
        self._query_of.pop(executor, None)
        self._known.pop(executor, None)


def _with_times(plan: Plan, first: int, seen: Seen) -> Plan:
    operators = tuple(
        _operator(operator, first + at, seen) for at, operator in enumerate(plan.operators)
    )
    return msgspec.structs.replace(plan, operators=operators)


def _operator(operator: Operator, number: int, seen: Seen) -> Operator:
    low, high = np.searchsorted(seen.operator, (number, number + 1))
    estimate = operator.est_work_order_us or max(round(operator.mean_work_order_us), 1)
    if low == high:
        return msgspec.structs.replace(operator, work_order_us=(estimate,), waves=())
    wave, time_us = seen.wave[low:high], seen.time_us[low:high]
    waves = [
        Wave(count, *(_quantiles(time_us[there & (wave == each)]) for each in (FRESH, FIRST, REST)))
        for count, there in _by_count(seen.num_executors[low:high])
    ]
    return msgspec.structs.replace(operator, work_order_us=_quantiles(time_us), waves=tuple(waves))


def _by_count(num_executors: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Numbers of executors, increasing, and which elements are nearest to each."""
    groups = int(min(MOST_COUNTS, max(len(num_executors) // LEAST_SEEN, 1)))
    bounds = np.unique(np.quantile(num_executors, np.arange(1, groups) / groups, method="lower"))
    group = np.searchsorted(bounds, num_executors)
    last = 0
    for each in np.unique(group):
        there = group == each
        last = max(round(float(num_executors[there].mean())), last + 1)
        yield last, there


def _quantiles(times_us: np.ndarray) -> tuple[int, ...]:
    """Sorted, not more than ``MOST_TIMES`` of them."""
    if len(times_us) <= MOST_TIMES:
        return tuple(np.sort(times_us).tolist())
    at = (np.arange(MOST_TIMES) + 0.5) / MOST_TIMES
    return tuple(np.rint(np.quantile(times_us, at)).astype(np.int64).tolist())
