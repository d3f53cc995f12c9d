"""What a policy sees of many simulations, as arrays of features and the graph between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsched.learn.config import Observed, feature_mask
from lsched.learn.features import OPERATOR_FEATURES, QUERY_FEATURES, SIMULATION_FEATURES
from sim import BatchView

MS, MB = 1000.0, 1e6
MOST = 4.0
"""Of a share."""


@dataclass(frozen=True)
class Observation:
    """Features and edges; operators that are complete are left out.

    Attributes:
        operators, queries, simulations: one column for each feature, see ``features.py``.
        row: the operator's row in the view.
        query_of, simulation_of: row of an operator's query, of a query's simulation.
        height: edges on the longest path from an operator to the end of its plan.
        producer, consumer, is_breaking: edges between operators of this observation.

    Shapes:
        operators: (operators, F), float32; queries: (queries, F); simulations: (simulations, F).
        row, query_of, height: (operators,); simulation_of: (queries,);
        producer, consumer, is_breaking: (edges,).
    """

    operators: np.ndarray
    queries: np.ndarray
    simulations: np.ndarray
    row: np.ndarray
    query_of: np.ndarray
    simulation_of: np.ndarray
    height: np.ndarray
    producer: np.ndarray
    consumer: np.ndarray
    is_breaking: np.ndarray


def observe(view: BatchView, observed: Observed = "all") -> Observation:
    """The observation of all simulations of a view; features that are not observed are 0."""
    row = np.flatnonzero(~view.operators.is_complete)
    query_of = view.operators.query[row]
    place = np.full(len(view.operators), -1)
    place[row] = np.arange(len(row))
    producer, consumer = place[view.edges.producer], place[view.edges.consumer]
    is_edge = (producer >= 0) & (consumer >= 0)
    ready = _ready(view)
    return Observation(
        _seen(_operators(view, row, query_of), observed, "operators"),
        _seen(_queries(view, ready), observed, "queries"),
        _seen(_simulations(view, ready), observed, "simulations"),
        row,
        query_of,
        np.array(view.queries.simulation),
        view.plans.height[view.operators.plan_operator[row]],
        producer[is_edge],
        consumer[is_edge],
        view.edges.is_breaking[is_edge],
    )


def _seen(features: np.ndarray, observed: Observed, group: str) -> np.ndarray:
    if observed != "all":
        features *= feature_mask(observed, group)
    return features


def _ready(view: BatchView) -> np.ndarray:
    """Work orders of each query that have not been started, of operators that may be roots."""
    columns = view.operators
    return np.bincount(
        columns.query, columns.num_unclaimed * columns.is_schedulable, len(view.queries)
    )


def _unlocked_us(view: BatchView) -> np.ndarray:
    """Of each operator, the work of those that wait for it alone."""
    edges, columns = view.edges, view.operators
    is_open = edges.is_breaking & ~columns.is_complete[edges.producer]
    producer, consumer = edges.producer[is_open], edges.consumer[is_open]
    is_last = np.bincount(consumer, minlength=len(columns))[consumer] == 1
    work_us = columns.history_remaining_us[consumer]
    return np.bincount(producer[is_last], work_us[is_last], len(columns))


def _longest_us(paths_us: np.ndarray, whole_of: np.ndarray, num_wholes: int) -> np.ndarray:
    """The longest path of each whole; 0 of none."""
    longest_us = np.zeros(num_wholes)
    np.maximum.at(longest_us, whole_of, paths_us)
    return longest_us


def _operators(view: BatchView, row: np.ndarray, query: np.ndarray) -> np.ndarray:
    columns, queries = view.operators, view.queries
    history_us = columns.history_work_order_us[row]
    est_us = columns.est_work_order_us[row]
    simulation = queries.simulation[query]
    corrected_us = est_us * view.simulations.correction[simulation]
    path_us, work_us = columns.history_critical_path_us[row], columns.history_remaining_us[row]
    is_ready = columns.is_schedulable[row]
    longest_us = _longest_us(path_us[is_ready], query[is_ready], len(queries))
    query_us = np.maximum(queries.history_remaining_us[query], 1.0)
    features = np.zeros((len(row), len(OPERATOR_FEATURES)), np.float32)
    done = _put_logs(
        features,
        (est_us, 0.1 * MS),
        (columns.observed_work_order_us[row], 0.1 * MS),
        (np.where(np.isnan(history_us), corrected_us, history_us), 0.1 * MS),
        (columns.est_remaining_us[row], MS),
        (work_us, MS),
        (columns.est_critical_path_us[row], MS),
        (path_us, MS),
        (columns.num_unclaimed[row], 1.0),
        (columns.num_running[row], 1.0),
        (columns.num_executors[row], 1.0),
        (columns.est_state_bytes[row], MB),
        (columns.est_output_bytes[row], MB),
        (columns.memory_bytes[row], MB),
        (_unlocked_us(view)[row], MS),
    )
    features[:, done] = columns.num_done[row] / np.maximum(columns.num_work_orders[row], 1)
    features[:, done + 1] = path_us / query_us
    features[:, done + 2] = path_us / np.maximum(longest_us, 1.0)[query]
    features[:, done + 3] = work_us / query_us
    features[:, done + 4] = is_ready
    features[:, done + 5] = columns.is_started[row]
    features[np.arange(len(row)), done + 6 + columns.kind[row]] = 1.0
    np.minimum(features, MOST, out=features)
    return features


def _queries(view: BatchView, ready: np.ndarray) -> np.ndarray:
    columns, simulations = view.queries, view.simulations
    simulation = columns.simulation
    work_us = columns.history_remaining_us
    sums_us = np.bincount(simulation, work_us, len(view))
    budget = _budget_bytes(view)
    executors = np.maximum(simulations.num_executors, 1)[simulation]
    rank, ahead_us = _ahead(view)
    path_us = _longest_us(
        view.operators.history_critical_path_us, view.operators.query, len(columns)
    )
    features = np.zeros((len(columns), len(QUERY_FEATURES)), np.float32)
    done = _put_logs(
        features,
        (simulations.now_us[simulation] - columns.arrival_us, 10.0 * MS),
        (columns.est_remaining_us, MS),
        (columns.observed_remaining_us, MS),
        (work_us, MS),
        (columns.busy_us, MS),
        (columns.num_past_runs, 1.0),
        (columns.num_executors, 1.0),
        (columns.num_local_free, 1.0),
        (columns.memory_bytes, MB),
        (columns.est_state_bytes, MB),
        (ahead_us / executors, MS),
        (ready, 1.0),
        (path_us, MS),
    )
    features[:, done] = columns.num_executors / executors
    features[:, done + 1] = work_us / np.maximum(sums_us, 1.0)[simulation]
    if budget:
        features[:, done + 2] = columns.memory_bytes / budget
        features[:, done + 3] = columns.est_state_bytes / budget
    features[:, done + 4] = rank
    features[:, done + 5] = columns.start_us >= 0
    np.minimum(features, MOST, out=features)
    return features


def _ahead(view: BatchView) -> tuple[np.ndarray, np.ndarray]:
    """Of each query, the share of its simulation's queries with less work, and their work.

    Of equals, those that arrived first have less.
    """
    work_us, simulation = view.queries.history_remaining_us, view.queries.simulation
    order = np.lexsort((work_us, simulation))
    first = view.query_offsets[simulation]
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    sums_us = np.concatenate([[0.0], np.cumsum(work_us[order])])
    num_queries = np.diff(view.query_offsets)[simulation]
    return (place - first) / num_queries, sums_us[place] - sums_us[first]


def _simulations(view: BatchView, ready: np.ndarray) -> np.ndarray:
    columns, cluster = view.simulations, view.cluster
    num_executors = np.maximum(columns.num_executors, 1)
    num_queries = np.diff(view.query_offsets)
    work_us = np.bincount(view.queries.simulation, view.queries.history_remaining_us, len(view))
    budget = _budget_bytes(view)
    features = np.zeros((len(columns), len(SIMULATION_FEATURES)), np.float32)
    ones = np.ones(len(columns))
    done = _put_logs(
        features,
        (columns.num_executors, 1.0),
        (columns.num_free, 1.0),
        (num_queries, 1.0),
        (work_us / num_executors, MS),
        (cluster.move_delay_us * ones, 0.1 * MS),
        (budget * ones, MB),
        (columns.correction, 1.0),
        (np.bincount(view.queries.simulation, ready, len(view)) / num_executors, 1.0),
    )
    features[:, done] = columns.num_free / num_executors
    if budget:
        features[:, done + 1] = columns.memory_used_bytes.sum(axis=1) / budget
    features[:, done + 2] = cluster.release == "pipeline"
    features[:, done + 3] = budget > 0
    features[:, done + 4] = cluster.num_nodes > 1
    np.minimum(features, MOST, out=features)
    return features


def _budget_bytes(view: BatchView) -> float:
    """Memory of all nodes; 0 if it is unlimited."""
    return float((view.cluster.memory_bytes or 0) * view.cluster.num_nodes)


def _put_logs(features: np.ndarray, *columns: tuple[np.ndarray, float]) -> int:
    """Fill the first columns with log(1 + value ÷ unit) ÷ 4; how many they are."""
    block = features[:, : len(columns)]
    for place, (values, unit) in enumerate(columns):
        np.multiply(values, 1.0 / unit, out=block[:, place], casting="unsafe")
    block += 1.0
    np.log(block, out=block)
    block *= 0.25
    return len(columns)
