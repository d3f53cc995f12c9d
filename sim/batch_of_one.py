"""One simulation as a batch of one, on every engine: for schedulers that are asked for many.

The compiled engine fills the columns of ``sim.batch_fields`` for many simulations in one call. Here
they are read from the objects of ``sim.view``, so that ``decide_many`` can answer wherever
``decide`` is asked.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sim.batch_answer import answer_to_one
from sim.batch_fields import FIELDS, KIND_NAMES, Group
from sim.batch_schedule import BatchSchedule
from sim.batch_view import BatchView
from sim.fast_engine.layout import NEVER
from sim.legality import checked_entries
from sim.registry import BatchScheduler, Scheduler, scheduler_name
from sim.schedule import Schedule
from sim.view import ClusterView, QueryView

OFFSETS: dict[str, Group] = {
    "query_offsets": "queries",
    "operator_offsets": "operators",
    "edge_offsets": "edges",
}
KIND_OF = {name: index for index, name in enumerate(KIND_NAMES)}


def decide_one(scheduler: BatchScheduler, view: ClusterView) -> Schedule:
    """What a scheduler with ``decide_many`` answers to one simulation.

    Example:
        >>> class Mine:
        ...     def decide_many(self, view: BatchView) -> BatchSchedule: ...
        ...
        ...     def decide(self, view: ClusterView) -> Schedule:
        ...         return decide_one(self, view)

    Raises:
        InvalidSchedule: the answer has another form than it must have, or leaves the simulation
            out. Other rules are checked when the schedule is applied.
    """
    batch = batch_view_of(view)
    return answer_to_one(scheduler.decide_many(batch), batch, view.queries)


def batch_view_of(view: ClusterView) -> BatchView:
    """What one simulation shows now, as a batch of one.

    ``advice`` asks any rule that does not see the future by its ``decide``.
    """
    rows = _Rows()
    rows.put(
        "simulations",
        simulation=0,
        now_us=view.now_us,
        num_executors=view.num_executors,
        num_free=view.num_free,
        correction=view.correction,
        num_executors_on=view.num_executors_on,
        memory_used_bytes=view.memory_used_bytes,
    )
    indices, queries = view._engine.indices, view.queries
    for row, query in enumerate(queries):
        first, plan = rows.count("operators"), indices.plan_of[query.plan]
        rows.put(
            "queries",
            plan=plan,
            tenant=indices.tenants.index_of(query.tenant),
            query_class=indices.query_classes.index_of(query.query_class),
            **_of_query(query, first),
        )
        _put_operators(rows, query, row, first, int(indices.plans.first_operator[plan]))
        _put_edges(rows, query, first)

    def advise(batch: BatchView, scheduler: Scheduler) -> BatchSchedule:
        return _advice(batch, scheduler, view, queries)

    return BatchView(
        rows.arrays(len(view.num_executors_on)),
        1,
        indices.plans,
        view.cluster,
        indices.tenants.as_list(),
        indices.query_classes.as_list(),
        advise,
    )


class _Rows:
    """Columns that grow row by row."""

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {f"{f.group}_{f.name}": [] for f in FIELDS}
        self._counts: dict[Group, int] = {
            "simulations": 0,
            "queries": 0,
            "operators": 0,
            "edges": 0,
        }

    def put(self, group: Group, **values: object) -> None:
        """One more row of a group: a value for each of its columns."""
        for name, value in values.items():
            self._columns[f"{group}_{name}"].append(value)
        self._counts[group] += 1

    def count(self, group: Group) -> int:
        """How many rows of a group there are."""
        return self._counts[group]

    def arrays(self, num_nodes: int) -> dict[str, np.ndarray]:
        """The columns as arrays, and the offsets of a batch of one."""
        arrays = {name: np.array([0, self._counts[group]]) for name, group in OFFSETS.items()}
        for field in FIELDS:
            shape = (-1, num_nodes) if field.is_per_node else (-1,)
            name = f"{field.group}_{field.name}"
            arrays[name] = np.array(self._columns[name], field.dtype).reshape(shape)
        return arrays


def _of_query(query: QueryView, first_operator: int) -> dict[str, object]:
    """The columns of a query, but those that are indices of names."""
    return {
        "simulation": 0,
        "first_operator": first_operator,
        "num_operators": len(query.operators),
        "slot": query.slot,
        "serial": query.serial,
        "query_id": query.query_id,
        "size_factor": query.size_factor,
        "arrival_us": query.arrival_us,
        "start_us": query.start_us,
        "num_executors": query.num_executors,
        "num_local_free": query.num_local_free,
        "busy_us": query.busy_us,
        "memory_bytes": query.memory_bytes,
        "est_state_bytes": query.est_state_bytes,
        "num_past_runs": 0 if query.history is None else query.history.num_completed,
        "est_remaining_us": query.remaining_us("estimate"),
        "observed_remaining_us": query.remaining_us("observed"),
        "history_remaining_us": query.remaining_us("history"),
    }


def _put_operators(rows: _Rows, query: QueryView, row: int, first: int, first_planned: int) -> None:
    """The operators of a query; its own row, its first operator's, and that in the plans."""
    est_us, history_us = (query.operator_remaining_us(size) for size in ("estimate", "history"))
    est_paths_us, history_paths_us = (
        query.critical_paths_us(size) for size in ("estimate", "history")
    )
    has_history = query.history is not None
    for operator in query.operators:
        at = operator.index
        rows.put(
            "operators",
            query=row,
            slot=operator.slot,
            index=at,
            plan_operator=first_planned + at,
            kind=KIND_OF.get(operator.kind, len(KIND_NAMES)),
            root=first + operator.pipeline[0].index if operator.is_started else -1,
            num_work_orders=operator.num_work_orders,
            num_unclaimed=operator.num_unclaimed,
            num_running=operator.num_running,
            num_done=operator.num_done,
            num_executors=operator.num_executors,
            is_schedulable=operator.is_schedulable,
            is_started=operator.is_started,
            is_complete=operator.is_complete,
            est_work_order_us=operator.est_work_order_us,
            observed_work_order_us=operator.work_order_us("observed"),
            history_work_order_us=operator.work_order_us("history") if has_history else math.nan,
            est_remaining_us=est_us[at],
            history_remaining_us=history_us[at],
            est_critical_path_us=est_paths_us[at],
            history_critical_path_us=history_paths_us[at],
            est_state_bytes=operator.est_state_bytes,
            est_output_bytes=operator.est_output_bytes,
            memory_bytes=operator.memory_bytes,
        )


def _put_edges(rows: _Rows, query: QueryView, first: int) -> None:
    """The edges of a query's plan by consumer, breaking ones first."""
    for consumer in query.operators:
        for is_breaking in (True, False):
            for producer in consumer.producers:
                if consumer.is_breaking(producer) == is_breaking:
                    rows.put(
                        "edges",
                        producer=first + producer.index,
                        consumer=first + consumer.index,
                        is_breaking=is_breaking,
                    )


def _advice(
    batch: BatchView, scheduler: Scheduler, view: ClusterView, queries: list[QueryView]
) -> BatchSchedule:
    """What a rule answers, in rows."""
    if getattr(scheduler, "is_clairvoyant", False):
        raise ValueError(f"{scheduler_name(scheduler)} sees the future: no advice for a policy")
    entries, holds, until_us = checked_entries(scheduler.decide(view), view._engine)
    row_of = {query.slot: row for row, query in enumerate(queries)}
    first = batch.queries.first_operator.tolist()
    first_slot = batch.operators.slot[batch.queries.first_operator].tolist()
    allocations = [
        (first[row_of[slot]] + root - first_slot[row_of[slot]], limit, degree)
        for root, slot, limit, degree in entries
    ]
    operators, limits, degrees = np.array(allocations, np.int64).reshape(-1, 3).T
    held = sorted((row_of[slot], count) for slot, count in holds.items())
    hold_queries, hold_executors = np.array(held, np.int64).reshape(-1, 2).T
    timer = NEVER if until_us is None else until_us
    return BatchSchedule(
        operators, limits, degrees, hold_queries, hold_executors, until_us=np.array([timer])
    )
