"""What a rule decides by, of one simulation, read from the columns of a view."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lsched.learn.inference.observation import Observation
from lsched.learn.inference.tables import Table
from lsched.learn.rule import SIZE, SIZES
from sim.fast_engine.compile import compiled, compiled_allocating

ESTIMATE, OBSERVED, HISTORY = range(len(SIZES))


class State(NamedTuple):
    """By operator that is not complete, and by query, as in the observation.

    Shapes:
        work_order_us, path_us: (operators,): of the rule's size; path: to the end.
        remaining_us: (queries,); first: (queries + 1,): where a query's operators begin.
    """

    work_order_us: np.ndarray
    path_us: np.ndarray
    remaining_us: np.ndarray
    first: np.ndarray


@compiled_allocating
def state_of(view: Table, policy: Table, place: Table, seen: Observation) -> State:
    """The state of a simulation."""
    size, num_operators = policy.rule[SIZE], len(seen.row)
    num_queries = seen.queries.shape[1]
    work_order_us = np.empty(num_operators, np.float64)
    first = np.zeros(num_queries + 1, np.int64)
    for at in range(num_operators):
        work_order_us[at] = _work_order_us(view, seen.simulation, seen.row[at], size)
        first[seen.query_of[at] + 1] += 1
    for query in range(num_queries):
        first[query + 1] += first[query]
    remaining_us = np.empty(num_queries, np.float64)
    for query in range(num_queries):
        row = seen.first_query + query
        if size == ESTIMATE:
            remaining_us[query] = view.queries_est_remaining_us[row]
        elif size == OBSERVED:
            remaining_us[query] = view.queries_observed_remaining_us[row]
        else:
            remaining_us[query] = view.queries_history_remaining_us[row]
    return State(work_order_us, _paths_us(view, place, seen, work_order_us), remaining_us, first)


@compiled
def _work_order_us(view: Table, simulation: int, row: int, size: float) -> float:
    """Time of an operator's work order by one of three sources, as rules have it."""
    if size == ESTIMATE:
        return view.operators_est_work_order_us[row]
    if size == HISTORY:
        known_us = view.operators_history_work_order_us[row]
        if not math.isnan(known_us):
            return known_us
        if view.operators_num_done[row] == 0:
            return view.operators_est_work_order_us[row] * view.simulations_correction[simulation]
    return view.operators_observed_work_order_us[row]


@compiled_allocating
def _paths_us(
    view: Table, place: Table, seen: Observation, work_order_us: np.ndarray
) -> np.ndarray:
    """Work that is not done on the heaviest path from each operator to the end."""
    paths_us = np.empty(len(seen.row), np.float64)
    for at in range(len(seen.row)):
        left = view.operators_num_work_orders[seen.row[at]] - view.operators_num_done[seen.row[at]]
        paths_us[at] = left * work_order_us[at]
    heights = place.height[view.operators_plan_operator[seen.row[seen.consumer]]]
    heaviest = np.zeros(len(seen.row), np.float64)
    is_final = np.zeros(len(seen.row), np.bool_)
    # Edges by the height of their consumers, whose own paths are known by then.
    for edge in np.argsort(heights, kind="mergesort"):
        consumer, producer = seen.consumer[edge], seen.producer[edge]
        if not is_final[consumer]:
            paths_us[consumer] += heaviest[consumer]
            is_final[consumer] = True
        heaviest[producer] = max(heaviest[producer], paths_us[consumer])
    for at in range(len(seen.row)):
        if not is_final[at]:
            paths_us[at] += heaviest[at]
    return paths_us
