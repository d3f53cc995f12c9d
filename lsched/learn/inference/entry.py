"""What Python calls: kept on disk, see ``sim.fast_engine.kept``."""

from __future__ import annotations

from typing import Any

import numpy as np

import sim
import traces
from lsched.learn import config, features, inference, observation, rule, shapes
from lsched.learn.inference.corrected import (
    admitted,
    drop_empty,
    put_by_limit,
    put_by_price,
    put_spare,
    query_order,
)
from lsched.learn.inference.heads import correct
from lsched.learn.inference.observation import Observation, observe
from lsched.learn.inference.state import state_of
from lsched.learn.inference.supply import supply_of
from lsched.learn.inference.tables import (
    NUM_ALLOCATIONS,
    NUM_OPERATORS,
    NUM_QUERIES,
    Table,
    answer_at,
    place_at,
    policy_at,
)
from lsched.learn.rule import BY_PRICE, ORDER
from sim.fast_engine.batch import view_at
from sim.fast_engine.compile import compiled_allocating
from sim.fast_engine.kept import ROW, WHOLE, digest_of_sources, takes


@compiled_allocating
def decide_all(view: Table, policies: np.ndarray, place: Table, answer: Table) -> None:
    """Decide for all simulations of a view, one after another.

    ``policies``: of each, the address of its policy's table.
    """
    answer.counts[:] = 0
    for row in range(len(policies)):
        policy = policy_at(policies[row])
        seen = observe(view, policy, place, row)
        first, first_query = answer.counts[NUM_OPERATORS], answer.counts[NUM_QUERIES]
        answer.counts[NUM_OPERATORS] += len(seen.row)
        answer.counts[NUM_QUERIES] += seen.queries.shape[1]
        operators = answer.operators[:, first : answer.counts[NUM_OPERATORS]]
        queries = answer.queries[:, first_query : answer.counts[NUM_QUERIES]]
        correct(view, policy, place, seen, operators, queries)
        schedule(view, policy, place, seen, operators, queries, answer)


@compiled_allocating
def schedule(
    view: Table,
    policy: Table,
    place: Table,
    seen: Observation,
    operators: np.ndarray,
    queries: np.ndarray,
    answer: Table,
) -> None:
    """Write the schedule of one simulation."""
    state, begin = state_of(view, policy, place, seen), answer.counts[NUM_ALLOCATIONS]
    order = query_order(view, policy, seen, state, queries)
    order = admitted(view, policy, place, seen, order, queries)
    if policy.rule[ORDER] == BY_PRICE:
        supply = supply_of(view, policy, place, seen, state, queries, answer)
        put_by_price(view, policy, place, seen, state, supply, order, operators, queries, answer)
    else:
        put_by_limit(view, policy, place, seen, state, order, operators, queries, answer)
    put_spare(policy, view, seen, queries, begin, answer)
    drop_empty(begin, answer)


def _kept(digest: int) -> Any:
    """The entry; ``digest`` is in its closure."""

    @takes(WHOLE, ROW, WHOLE, WHOLE, what="learned policies")
    def decide(view: int, policies: np.ndarray, place: int, answer: int) -> None:
        if digest >= 0:
            decide_all(view_at(view), policies, place_at(place), answer_at(answer))

    return decide


SOURCES = (sim, traces, inference, config, features, observation, rule, shapes)
"""All that compiled code comes from, or takes constants from."""
decide = _kept(digest_of_sources(*SOURCES))
"""``decide_all`` with tables at addresses."""
