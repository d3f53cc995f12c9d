"""A rule's schedule by operator and query, as in ``lsched.learn.advice``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lsched.learn.advice import UNLISTED
from lsched.learn.inference.tables import Table
from sim.fast_engine.compile import compiled_allocating


class Advice(NamedTuple):
    """See ``lsched.learn.advice.Advice``; ``spare_limit``: by operator, 0 where there is none."""

    position: np.ndarray
    limit: np.ndarray
    degree: np.ndarray
    spare_limit: np.ndarray
    query_position: np.ndarray
    held: np.ndarray


@compiled_allocating
def advice_of(
    view: Table,
    num_simulations: int,
    operators: np.ndarray,
    limits: np.ndarray,
    degrees: np.ndarray,
    hold_queries: np.ndarray,
    hold_executors: np.ndarray,
) -> Advice:
    """The first allocation of each operator, and whether there is a second."""
    num_operators = view.operator_offsets[num_simulations]
    num_queries = view.query_offsets[num_simulations]
    position = np.full(num_operators, UNLISTED, np.int64)
    limit, degree = np.zeros(num_operators, np.int64), np.ones(num_operators, np.int64)
    spare_limit = np.zeros(num_operators, np.int64)
    query_position = np.full(num_queries, UNLISTED, np.int64)
    held = np.zeros(num_queries, np.int64)
    simulation, first = -1, 0
    for at in range(len(operators)):
        operator = operators[at]
        query = view.operators_query[operator]
        if view.queries_simulation[query] != simulation:
            simulation, first = view.queries_simulation[query], at
        if position[operator] == UNLISTED:
            position[operator] = at - first
            limit[operator], degree[operator] = limits[at], degrees[at]
        else:
            spare_limit[operator] = limits[at]
        query_position[query] = min(query_position[query], at - first)
    for at in range(len(hold_queries)):
        held[hold_queries[at]] = hold_executors[at]
    return Advice(position, limit, degree, spare_limit, query_position, held)
