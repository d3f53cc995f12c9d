"""The most probable decisions, and the schedules that they mean, as in ``lsched.learn.actions``."""

from __future__ import annotations

import numpy as np

from lsched.learn.config import DEGREES, FACTORS, FRACTIONS
from lsched.learn.inference.advice import Advice
from lsched.learn.inference.choices import Choices, Logits, must_start
from lsched.learn.inference.maps import HAS_RULE
from lsched.learn.inference.observation import Observation
from lsched.learn.inference.tables import NUM_ALLOCATIONS, NUM_HELD, Table
from sim.fast_engine.compile import compiled, compiled_allocating


@compiled_allocating
def put_allocations(
    view: Table,
    policy: Table,
    place: Table,
    advice: Advice,
    seen: Observation,
    choices: Choices,
    logits: Logits,
    answer: Table,
) -> None:
    """Write a simulation's allocations: roots by logit, up to where stopping comes."""
    num_executors = view.simulations_num_executors[seen.simulation]
    first = count = answer.counts[NUM_ALLOCATIONS]
    order = np.argsort(-logits.roots, kind="mergesort")
    for at in range(len(order)):
        candidate = order[at]
        is_open = at > 0 or not must_start(view, place, seen.simulation)
        if is_open and logits.stop[0] > logits.roots[candidate]:
            break
        row = seen.row[choices.candidate[candidate]]
        answer.allocations[0, count] = row
        answer.allocations[1, count] = _limit(policy, choices, candidate, num_executors, logits)
        answer.allocations[2, count] = _degree(policy, advice, choices, candidate, row, logits)
        count += 1
    answer.counts[NUM_ALLOCATIONS] = _put_spare(advice, first, count, answer.allocations)


@compiled
def _best(logits: np.ndarray) -> int:
    """The first of the largest."""
    best = 0
    for at in range(1, len(logits)):
        if logits[at] > logits[best]:
            best = at
    return best


@compiled
def _limit(
    policy: Table, choices: Choices, candidate: int, num_executors: int, logits: Logits
) -> int:
    """The limit of a candidate's query."""
    chosen = _best(logits.limits[choices.query_place[candidate]])
    factor = FACTORS[chosen] if policy.parts[HAS_RULE] else FRACTIONS[chosen]
    limit = int(np.rint(choices.base_limit[candidate] * factor))
    return min(max(limit, 1), num_executors)


@compiled
def _degree(
    policy: Table, advice: Advice, choices: Choices, candidate: int, row: int, logits: Logits
) -> int:
    """The pipeline degree of a candidate; the rule's own where the rule's choice is taken."""
    chosen = _best(logits.degrees[candidate])
    if chosen == choices.rule_degree[candidate]:
        return advice.degree[row] if policy.parts[HAS_RULE] else 1
    return DEGREES[chosen]


@compiled
def _put_spare(advice: Advice, first: int, count: int, allocations: np.ndarray) -> int:
    """After all others, once more what the rule gives left-over executors too; the new count."""
    for at in range(first, count):
        limit = advice.spare_limit[allocations[0, at]]
        if limit > 0:
            allocations[0, count] = allocations[0, at]
            allocations[1, count] = limit
            allocations[2, count] = allocations[2, at]
            count += 1
    return count


@compiled
def put_holds(
    view: Table,
    advice: Advice,
    seen: Observation,
    choices: Choices,
    logits: Logits,
    answer: Table,
) -> None:
    """Write a simulation's holds: the rule's, but where there was a choice."""
    for at in range(len(choices.hold_queries)):
        query = seen.first_query + choices.hold_queries[at]
        if logits.holds[at, 1] > logits.holds[at, 0]:
            if advice.held[query] == 0:
                advice.held[query] = view.queries_num_local_free[query]
        else:
            advice.held[query] = 0
    count = answer.counts[NUM_HELD]
    for query in range(seen.first_query, seen.first_query + seen.queries.shape[1]):
        if advice.held[query] > 0:
            answer.held[0, count], answer.held[1, count] = query, advice.held[query]
            count += 1
    answer.counts[NUM_HELD] = count
