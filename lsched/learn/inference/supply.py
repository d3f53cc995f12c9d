"""Executors that a priced rule can give away, as in ``sim.schedulers.priced``."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lsched.learn.inference.observation import Observation
from lsched.learn.inference.state import State
from lsched.learn.inference.tables import NUM_HELD, Table
from lsched.learn.rule import HOLD_MOVES
from sim.fast_engine.compile import compiled, compiled_allocating
from sim.schedulers import priced

best_count, most_executors = compiled(priced.best_count), compiled(priced.most_executors)
HOLD = 2
"""The row of corrections of queries that says how many moves longer executors are held."""


class Supply(NamedTuple):
    """Executors by query.

    Attributes:
        committed: that stay where they are.
        local: without a move to it.
        kept: out of reach for others.
        room: that any query can have.

    Shapes:
        committed, local, kept: (queries,); room: (1,).
    """

    committed: np.ndarray
    local: np.ndarray
    kept: np.ndarray
    room: np.ndarray


@compiled_allocating
def supply_of(
    view: Table,
    policy: Table,
    place: Table,
    seen: Observation,
    state: State,
    queries: np.ndarray,
    answer: Table,
) -> Supply:
    """The supply of a simulation; writes its holds."""
    num_queries, is_sticky = len(state.remaining_us), place.is_sticky[0]
    supply = Supply(
        np.zeros(num_queries, np.int64),
        np.zeros(num_queries, np.int64),
        np.zeros(num_queries, np.int64),
        np.zeros(1, np.int64),
    )
    taken = 0
    for query in range(num_queries):
        row = seen.first_query + query
        running, free = view.queries_num_executors[row], view.queries_num_local_free[row]
        committed = held = 0
        if free > 0 and _is_held(view, policy, place, seen, state, query, queries[HOLD, query]):
            held, at = free, answer.counts[NUM_HELD]
            answer.held[0, at], answer.held[1, at] = row, held
            answer.counts[NUM_HELD] += 1
        if is_sticky and running:
            for column in range(state.first[query], state.first[query + 1]):
                if view.operators_is_schedulable[seen.row[column]]:
                    committed += view.operators_num_executors[seen.row[column]]
        supply.committed[query] = committed
        supply.local[query] = running - committed + free
        supply.kept[query] = (running - committed if is_sticky else 0) + held
        taken += committed + supply.kept[query]
    supply.room[0] = view.simulations_num_executors[seen.simulation] - taken
    return supply


@compiled
def _is_held(
    view: Table,
    policy: Table,
    place: Table,
    seen: Observation,
    state: State,
    query: int,
    correction: float,
) -> bool:
    """Whether idle executors wait for a query, as one of its operators is about to end.

    Only where executors stick to their pipelines is that corrected: elsewhere what they wait for
    might never be given an executor.
    """
    moves = policy.rule[HOLD_MOVES]
    if place.is_sticky[0]:
        moves = max(moves + correction, 0.0)
    within_us = moves * place.move_delay_us[0]
    if within_us <= 0.0:
        return False
    for column in range(state.first[query], state.first[query + 1]):
        row = seen.row[column]
        running = view.operators_num_executors[row]
        if running > 0:
            rounds = math.ceil(view.operators_num_unclaimed[row] / running) + 0.5
            if rounds * state.work_order_us[column] <= within_us:
                return True
    return False
