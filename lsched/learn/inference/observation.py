"""The features of ``lsched.learn.features``, in its order, as in ``lsched.learn.observation``."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from lsched.learn.features import OPERATOR_FEATURES, QUERY_FEATURES, SIMULATION_FEATURES
from lsched.learn.inference.tables import Table
from lsched.learn.observation import MB, MOST, MS
from sim.fast_engine.compile import compiled, compiled_allocating

NUM_OPERATOR_FEATURES = len(OPERATOR_FEATURES)
NUM_QUERY_FEATURES = len(QUERY_FEATURES)
NUM_SIMULATION_FEATURES = len(SIMULATION_FEATURES)
NUM_FEATURES = NUM_OPERATOR_FEATURES + NUM_QUERY_FEATURES + NUM_SIMULATION_FEATURES
AHEAD, RANK = (
    [feature.name for feature in QUERY_FEATURES].index(x) for x in ("work_ahead", "rank")
)
FIRST_KIND = [feature.transform for feature in OPERATOR_FEATURES].index("one-hot")
ONE, QUARTER, CAP = np.float32(1.0), np.float32(0.25), np.float32(MOST)


class Observation(NamedTuple):
    """What is seen of one simulation, see ``lsched.learn.observation.Observation``.

    Attributes:
        simulation: its row in the view.
        first_query: likewise, of its first query.
        row: likewise, of its operators that are not complete.
        query_of: their queries, counted from the first.
        operators, queries, whole: features.
        producer, consumer, is_breaking: edges between those operators.

    Shapes:
        row, query_of: (operators,); producer, consumer, is_breaking: (edges,);
        operators, queries, whole: (features, rows), float32; ``whole`` has one row.
    """

    simulation: int
    first_query: int
    row: np.ndarray
    query_of: np.ndarray
    operators: np.ndarray
    queries: np.ndarray
    whole: np.ndarray
    producer: np.ndarray
    consumer: np.ndarray
    is_breaking: np.ndarray


@compiled_allocating
def observe(view: Table, policy: Table, place: Table, simulation: int) -> Observation:
    """The observation of the simulation in a row of a view."""
    first, last = view.operator_offsets[simulation], view.operator_offsets[simulation + 1]
    first_query = view.query_offsets[simulation]
    num_queries = view.query_offsets[simulation + 1] - first_query
    row, query_of = np.empty(last - first, np.int64), np.empty(last - first, np.int64)
    place_of = np.full(last - first, -1, np.int64)
    count = 0
    for operator in range(first, last):
        if not view.operators_is_complete[operator]:
            row[count], place_of[operator - first] = operator, count
            query_of[count] = view.operators_query[operator] - first_query
            count += 1
    operators = np.zeros((NUM_OPERATOR_FEATURES, count), np.float32)
    queries = np.zeros((NUM_QUERY_FEATURES, num_queries), np.float32)
    whole = np.zeros((NUM_SIMULATION_FEATURES, 1), np.float32)
    producer, consumer, is_breaking = _edges(view, simulation, first, place_of)
    unlocked_us = _unlocked_us(view, row[:count], producer, consumer, is_breaking)
    extent = _extent(view, first, last, first_query, num_queries)
    work_us, ready = extent.work_us.sum(), extent.ready.sum()
    rank, ahead_us = _ahead(extent.work_us)
    for at in range(count):
        longest_us = extent.longest_ready_us[query_of[at]]
        _see_operator(view, simulation, row[at], unlocked_us[at], longest_us, operators, at)
    executors = max(view.simulations_num_executors[simulation], 1)
    for at in range(num_queries):
        _see_query(view, place, simulation, work_us, first_query + at, queries, at)
        queries[AHEAD, at] = _log(ahead_us[at] / executors, MS)
        queries[AHEAD + 1, at] = _log(extent.ready[at], 1.0)
        queries[AHEAD + 2, at] = _log(extent.longest_us[at], MS)
        queries[RANK, at] = rank[at]
    _see_whole(view, place, simulation, num_queries, work_us, ready, whole)
    _standardise(policy, operators, 0)
    _standardise(policy, queries, NUM_OPERATOR_FEATURES)
    _standardise(policy, whole, NUM_OPERATOR_FEATURES + NUM_QUERY_FEATURES)
    return Observation(
        simulation,
        first_query,
        row[:count],
        query_of[:count],
        operators,
        queries,
        whole,
        producer,
        consumer,
        is_breaking,
    )


@compiled_allocating
def _edges(
    view: Table, simulation: int, first: int, place_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Producers and consumers of edges whose ends are both observed, by consumer."""
    begin, end = view.edge_offsets[simulation], view.edge_offsets[simulation + 1]
    producer, consumer = np.empty(end - begin, np.int64), np.empty(end - begin, np.int64)
    is_breaking = np.empty(end - begin, np.int64)
    count = 0
    for edge in range(begin, end):
        reads = place_of[view.edges_consumer[edge] - first]
        sends = place_of[view.edges_producer[edge] - first]
        if reads >= 0 and sends >= 0:
            producer[count], consumer[count] = sends, reads
            is_breaking[count] = view.edges_is_breaking[edge]
            count += 1
    return producer[:count], consumer[:count], is_breaking[:count]


class Extent(NamedTuple):
    """How much each query has left.

    Attributes:
        work_us: size=history.
        ready: work orders that have not been started, of operators that may be roots.
        longest_us, longest_ready_us: path of any operator, and of one that may be a root.

    Shapes:
        all: (queries,)
    """

    work_us: np.ndarray
    ready: np.ndarray
    longest_us: np.ndarray
    longest_ready_us: np.ndarray


@compiled_allocating
def _extent(view: Table, first: int, last: int, first_query: int, num_queries: int) -> Extent:
    """The extent of the queries whose operators are in some rows."""
    extent = Extent(
        view.queries_history_remaining_us[first_query : first_query + num_queries].copy(),
        np.zeros(num_queries, np.float64),
        np.zeros(num_queries, np.float64),
        np.zeros(num_queries, np.float64),
    )
    for row in range(first, last):
        query = view.operators_query[row] - first_query
        path_us = view.operators_history_critical_path_us[row]
        extent.longest_us[query] = max(extent.longest_us[query], path_us)
        if view.operators_is_schedulable[row]:
            extent.ready[query] += view.operators_num_unclaimed[row]
            extent.longest_ready_us[query] = max(extent.longest_ready_us[query], path_us)
    return extent


@compiled_allocating
def _ahead(work_us: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """See ``lsched.learn.observation``."""
    rank, ahead_us = np.empty(len(work_us), np.float64), np.empty(len(work_us), np.float64)
    sum_us = 0.0
    for place, query in enumerate(np.argsort(work_us, kind="mergesort")):
        rank[query], ahead_us[query] = place / len(work_us), sum_us
        sum_us += work_us[query]
    return rank, ahead_us


@compiled_allocating
def _unlocked_us(
    view: Table,
    row: np.ndarray,
    producer: np.ndarray,
    consumer: np.ndarray,
    is_breaking: np.ndarray,
) -> np.ndarray:
    """Of each operator, the work of those that wait for it alone."""
    unlocked_us, waits_for = np.zeros(len(row), np.float64), np.zeros(len(row), np.int64)
    for edge in range(len(consumer)):
        waits_for[consumer[edge]] += is_breaking[edge]
    for edge in range(len(consumer)):
        if is_breaking[edge] and waits_for[consumer[edge]] == 1:
            work_us = view.operators_history_remaining_us[row[consumer[edge]]]
            unlocked_us[producer[edge]] += work_us
    return unlocked_us


@compiled
def _log(value: float, unit: float) -> Any:
    return min(QUARTER * math.log(np.float32(value * (1.0 / unit)) + ONE), CAP)


@compiled
def _share(part: float, whole: float) -> Any:
    return min(np.float32(part / whole), CAP)


@compiled
def _see_operator(
    view: Table,
    simulation: int,
    row: int,
    unlocked_us: float,
    longest_us: float,
    out: np.ndarray,
    at: int,
) -> None:
    """The column of an operator; ``longest_us``: the longest path of its query that may begin."""
    query = view.operators_query[row]
    est_us, history_us = (
        view.operators_est_work_order_us[row],
        view.operators_history_work_order_us[row],
    )
    if math.isnan(history_us):
        history_us = est_us * view.simulations_correction[simulation]
    path_us, work_us = (
        view.operators_history_critical_path_us[row],
        view.operators_history_remaining_us[row],
    )
    query_us = max(view.queries_history_remaining_us[query], 1.0)
    out[0, at] = _log(est_us, 0.1 * MS)
    out[1, at] = _log(view.operators_observed_work_order_us[row], 0.1 * MS)
    out[2, at] = _log(history_us, 0.1 * MS)
    out[3, at] = _log(view.operators_est_remaining_us[row], MS)
    out[4, at] = _log(work_us, MS)
    out[5, at] = _log(view.operators_est_critical_path_us[row], MS)
    out[6, at] = _log(path_us, MS)
    out[7, at] = _log(view.operators_num_unclaimed[row], 1.0)
    out[8, at] = _log(view.operators_num_running[row], 1.0)
    out[9, at] = _log(view.operators_num_executors[row], 1.0)
    out[10, at] = _log(view.operators_est_state_bytes[row], MB)
    out[11, at] = _log(view.operators_est_output_bytes[row], MB)
    out[12, at] = _log(view.operators_memory_bytes[row], MB)
    out[13, at] = _log(unlocked_us, MS)
    out[14, at] = _share(view.operators_num_done[row], max(view.operators_num_work_orders[row], 1))
    out[15, at] = _share(path_us, query_us)
    out[16, at] = _share(path_us, max(longest_us, 1.0))
    out[17, at] = _share(work_us, query_us)
    out[18, at] = view.operators_is_schedulable[row]
    out[19, at] = view.operators_is_started[row]
    out[FIRST_KIND + view.operators_kind[row], at] = ONE


@compiled
def _see_query(
    view: Table,
    place: Table,
    simulation: int,
    work_us: float,
    row: int,
    out: np.ndarray,
    at: int,
) -> None:
    """The column of a query, but for what compares it with others.

    ``work_us``: that all of its simulation have left.
    """
    budget = place.budget_bytes[0]
    num_executors = max(view.simulations_num_executors[simulation], 1)
    own_us = view.queries_history_remaining_us[row]
    out[0, at] = _log(view.simulations_now_us[simulation] - view.queries_arrival_us[row], 10.0 * MS)
    out[1, at] = _log(view.queries_est_remaining_us[row], MS)
    out[2, at] = _log(view.queries_observed_remaining_us[row], MS)
    out[3, at] = _log(own_us, MS)
    out[4, at] = _log(view.queries_busy_us[row], MS)
    out[5, at] = _log(view.queries_num_past_runs[row], 1.0)
    out[6, at] = _log(view.queries_num_executors[row], 1.0)
    out[7, at] = _log(view.queries_num_local_free[row], 1.0)
    out[8, at] = _log(view.queries_memory_bytes[row], MB)
    out[9, at] = _log(view.queries_est_state_bytes[row], MB)
    out[13, at] = _share(view.queries_num_executors[row], num_executors)
    out[14, at] = _share(own_us, max(work_us, 1.0))
    if budget > 0.0:
        out[15, at] = _share(view.queries_memory_bytes[row], budget)
        out[16, at] = _share(view.queries_est_state_bytes[row], budget)
    out[18, at] = view.queries_start_us[row] >= 0


@compiled
def _see_whole(
    view: Table,
    place: Table,
    row: int,
    num_queries: int,
    work_us: float,
    ready: float,
    out: np.ndarray,
) -> None:
    """The column of a simulation."""
    num_executors, budget = max(view.simulations_num_executors[row], 1), place.budget_bytes[0]
    out[0, 0] = _log(view.simulations_num_executors[row], 1.0)
    out[1, 0] = _log(view.simulations_num_free[row], 1.0)
    out[2, 0] = _log(num_queries, 1.0)
    out[3, 0] = _log(work_us / num_executors, MS)
    out[4, 0] = _log(place.move_delay_us[0], 0.1 * MS)
    out[5, 0] = _log(budget, MB)
    out[6, 0] = _log(view.simulations_correction[row], 1.0)
    out[7, 0] = _log(ready / num_executors, 1.0)
    out[8, 0] = _share(view.simulations_num_free[row], num_executors)
    if budget > 0.0:
        used = 0
        for node in range(view.simulations_memory_used_bytes.shape[1]):
            used += view.simulations_memory_used_bytes[row, node]
        out[9, 0] = _share(used, budget)
    out[10, 0] = place.is_sticky[0]
    out[11, 0] = budget > 0.0
    out[12, 0] = place.has_many_nodes[0]


@compiled
def _standardise(policy: Table, features: np.ndarray, first: int) -> None:
    """Hide what the policy must not see, and scale the rest, see ``Network.standardised``.

    ``first``: the place of the first feature.
    """
    for at in range(len(features)):
        if policy.mask[first + at] == 0.0:
            features[at] = 0.0
        mean, factor = policy.weights[first + at], policy.weights[NUM_FEATURES + first + at]
        row = features[at]
        for column in range(len(row)):
            row[column] = min(max((row[column] - mean) * factor, -CAP), CAP)
