"""The features of ``lsched.learn.features``, in its order, as in ``lsched.learn.observation``."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lsched.learn.advice import UNLISTED
from lsched.learn.features import OPERATOR_FEATURES, QUERY_FEATURES, SIMULATION_FEATURES
from lsched.learn.inference.advice import Advice
from lsched.learn.inference.tables import Table
from lsched.learn.observation import MB, MOST, MS
from sim.fast_engine.compile import compiled, compiled_allocating

NUM_OPERATOR_FEATURES = len(OPERATOR_FEATURES)
NUM_QUERY_FEATURES = len(QUERY_FEATURES)
NUM_SIMULATION_FEATURES = len(SIMULATION_FEATURES)
FIRST_KIND = [feature.transform for feature in OPERATOR_FEATURES].index("one-hot")
POSITIONS = 255
ONE, QUARTER, CAP = np.float32(1.0), np.float32(0.25), np.float32(MOST)


class Observation(NamedTuple):
    """See ``lsched.learn.observation.Observation``.

    Shapes:
        row: (operators,); place: (operators of the view,), -1 for those that are complete;
        operators, queries, simulations: (features, rows), float32.
    """

    row: np.ndarray
    place: np.ndarray
    operators: np.ndarray
    queries: np.ndarray
    simulations: np.ndarray


@compiled_allocating
def observe(view: Table, policy: Table, place: Table, num_rows: int, advice: Advice) -> Observation:
    """The observation of the first ``num_rows`` simulations of a view: of all of them."""
    num_operators, num_queries = view.operator_offsets[num_rows], view.query_offsets[num_rows]
    row, place_of = np.empty(num_operators, np.int64), np.full(num_operators, -1, np.int64)
    count = 0
    for operator in range(num_operators):
        if not view.operators_is_complete[operator]:
            row[count], place_of[operator] = operator, count
            count += 1
    operators = np.zeros((NUM_OPERATOR_FEATURES, count), np.float32)
    queries = np.zeros((NUM_QUERY_FEATURES, num_queries), np.float32)
    simulations = np.zeros((NUM_SIMULATION_FEATURES, num_rows), np.float32)
    work_us = np.zeros(num_rows, np.float64)
    for query in range(num_queries):
        work_us[view.queries_simulation[query]] += view.queries_history_remaining_us[query]
    for at in range(count):
        _see_operator(view, advice, operators, at, row[at])
    for query in range(num_queries):
        _see_query(view, place, advice, work_us, queries, query)
    for simulation in range(num_rows):
        _see_simulation(view, place, work_us, simulations, simulation)
    _hide(policy, operators, 0)
    _hide(policy, queries, NUM_OPERATOR_FEATURES)
    _hide(policy, simulations, NUM_OPERATOR_FEATURES + NUM_QUERY_FEATURES)
    return Observation(row[:count], place_of, operators, queries, simulations)


@compiled
def _log(value: float, unit: float) -> float:
    return min(QUARTER * math.log(np.float32(value * (1.0 / unit)) + ONE), CAP)


@compiled
def _share(part: float, whole: float) -> float:
    return min(np.float32(part / whole), CAP)


@compiled
def _see_operator(view: Table, advice: Advice, out: np.ndarray, at: int, row: int) -> None:
    """The column of an operator."""
    query = view.operators_query[row]
    simulation = view.queries_simulation[query]
    est_us, history_us = (
        view.operators_est_work_order_us[row],
        view.operators_history_work_order_us[row],
    )
    if math.isnan(history_us):
        history_us = est_us * view.simulations_correction[simulation]
    path_us = view.operators_history_critical_path_us[row]
    out[0, at] = _log(est_us, 0.1 * MS)
    out[1, at] = _log(view.operators_observed_work_order_us[row], 0.1 * MS)
    out[2, at] = _log(history_us, 0.1 * MS)
    out[3, at] = _log(view.operators_est_remaining_us[row], MS)
    out[4, at] = _log(view.operators_history_remaining_us[row], MS)
    out[5, at] = _log(view.operators_est_critical_path_us[row], MS)
    out[6, at] = _log(path_us, MS)
    out[7, at] = _log(view.operators_num_unclaimed[row], 1.0)
    out[8, at] = _log(view.operators_num_running[row], 1.0)
    out[9, at] = _log(view.operators_num_executors[row], 1.0)
    out[10, at] = _log(view.operators_est_state_bytes[row], MB)
    out[11, at] = _log(view.operators_est_output_bytes[row], MB)
    out[12, at] = _log(view.operators_memory_bytes[row], MB)
    out[13, at] = _share(view.operators_num_done[row], max(view.operators_num_work_orders[row], 1))
    out[14, at] = _share(path_us, max(view.queries_history_remaining_us[query], 1.0))
    out[15, at] = _share(advice.limit[row], max(view.simulations_num_executors[simulation], 1))
    out[16, at] = view.operators_is_schedulable[row]
    out[17, at] = view.operators_is_started[row]
    out[18, at] = advice.limit[row] > 0
    out[FIRST_KIND + view.operators_kind[row], at] = ONE


@compiled
def _see_query(
    view: Table, place: Table, advice: Advice, work_us: np.ndarray, out: np.ndarray, row: int
) -> None:
    """The column of a query."""
    simulation, budget = view.queries_simulation[row], place.budget_bytes[0]
    num_executors = max(view.simulations_num_executors[simulation], 1)
    own_us = view.queries_history_remaining_us[row]
    out[0, row] = _log(
        view.simulations_now_us[simulation] - view.queries_arrival_us[row], 10.0 * MS
    )
    out[1, row] = _log(view.queries_est_remaining_us[row], MS)
    out[2, row] = _log(view.queries_observed_remaining_us[row], MS)
    out[3, row] = _log(own_us, MS)
    out[4, row] = _log(view.queries_busy_us[row], MS)
    out[5, row] = _log(view.queries_num_past_runs[row], 1.0)
    out[6, row] = _log(view.queries_num_executors[row], 1.0)
    out[7, row] = _log(view.queries_num_local_free[row], 1.0)
    out[8, row] = _log(view.queries_memory_bytes[row], MB)
    out[9, row] = _log(view.queries_est_state_bytes[row], MB)
    out[10, row] = _log(min(advice.query_position[row], POSITIONS), 1.0)
    out[11, row] = _share(view.queries_num_executors[row], num_executors)
    out[12, row] = _share(own_us, max(work_us[simulation], 1.0))
    if budget > 0.0:
        out[13, row] = _share(view.queries_memory_bytes[row], budget)
        out[14, row] = _share(view.queries_est_state_bytes[row], budget)
    out[15, row] = view.queries_start_us[row] >= 0
    out[16, row] = advice.query_position[row] != UNLISTED
    out[17, row] = advice.held[row] > 0


@compiled
def _see_simulation(
    view: Table, place: Table, work_us: np.ndarray, out: np.ndarray, row: int
) -> None:
    """The column of a simulation."""
    num_executors, budget = max(view.simulations_num_executors[row], 1), place.budget_bytes[0]
    out[0, row] = _log(view.simulations_num_executors[row], 1.0)
    out[1, row] = _log(view.simulations_num_free[row], 1.0)
    out[2, row] = _log(view.query_offsets[row + 1] - view.query_offsets[row], 1.0)
    out[3, row] = _log(work_us[row] / num_executors, MS)
    out[4, row] = _log(place.move_delay_us[0], 0.1 * MS)
    out[5, row] = _log(budget, MB)
    out[6, row] = _log(view.simulations_correction[row], 1.0)
    out[7, row] = _share(view.simulations_num_free[row], num_executors)
    if budget > 0.0:
        used = 0
        for node in range(view.simulations_memory_used_bytes.shape[1]):
            used += view.simulations_memory_used_bytes[row, node]
        out[8, row] = _share(used, budget)
    out[9, row] = place.is_sticky[0]
    out[10, row] = budget > 0.0
    out[11, row] = place.has_many_nodes[0]


@compiled
def _hide(policy: Table, features: np.ndarray, first: int) -> None:
    """Set to 0 what the policy must not see; ``first``: the place of the first feature's mask."""
    for at in range(len(features)):
        if policy.mask[first + at] == 0.0:
            features[at] = 0.0
