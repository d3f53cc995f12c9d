"""What can be chosen, and the rule's logits of it, as in ``lsched.learn.choices``."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lsched.learn.advice import UNLISTED
from lsched.learn.choices import CHOICE_STRENGTH, MASKED, ORDER_STRENGTH, STOP_MARGIN
from lsched.learn.config import DEGREES, FACTORS
from lsched.learn.inference.advice import Advice
from lsched.learn.inference.maps import HAS_RULE
from lsched.learn.inference.observation import Observation
from lsched.learn.inference.tables import Table
from sim.fast_engine.compile import compiled, compiled_allocating

USUAL_FACTOR, NUM_DEGREES, LONGEST = FACTORS.index(1.0), len(DEGREES), DEGREES[-1]


class Choices(NamedTuple):
    """See ``lsched.learn.choices.Choices``.

    Attributes:
        candidate: rows in the observation.
        first: the first candidate of each query that has one.
        query_place: a candidate's query among those.
        base_limit: the rule's limit for a candidate's query.
        rule_degree: the rule's choice of ``DEGREES`` for a candidate.
        hold_queries: queries whose idle executors may be held, counted from the first.
    """

    candidate: np.ndarray
    first: np.ndarray
    query_place: np.ndarray
    base_limit: np.ndarray
    rule_degree: np.ndarray
    hold_queries: np.ndarray


class Logits(NamedTuple):
    """Of all choices, see ``lsched.learn.network.Logits``.

    Shapes:
        roots: (candidates,); stop: (1,); limits: (queries with candidates, factors);
        degrees: (candidates, degrees); holds: (hold_queries, 2), all float32.
    """

    roots: np.ndarray
    stop: np.ndarray
    limits: np.ndarray
    degrees: np.ndarray
    holds: np.ndarray


@compiled_allocating
def choices_of(
    view: Table, policy: Table, place: Table, advice: Advice, seen: Observation
) -> Choices:
    """All choices at a simulation's event."""
    count = num_first = 0
    for row in seen.row:
        count += view.operators_is_schedulable[row]
    candidate, query_place = np.empty(count, np.int64), np.empty(count, np.int64)
    first, base_limit = np.empty(count, np.int64), np.empty(count, np.int64)
    rule_degree = np.empty(count, np.int64)
    at, last_query, has_rule = 0, -1, policy.parts[HAS_RULE]
    for operator in range(len(seen.row)):
        row = seen.row[operator]
        if not view.operators_is_schedulable[row]:
            continue
        if seen.query_of[operator] != last_query:
            first[num_first], last_query = at, seen.query_of[operator]
            num_first += 1
        candidate[at], query_place[at] = operator, num_first - 1
        base_limit[at] = _base_limit(view, advice, row, has_rule)
        rule_degree[at] = _index_of_degree(advice.degree[row] if has_rule else 1)
        at += 1
    return Choices(
        candidate,
        first[:num_first],
        query_place,
        base_limit,
        rule_degree,
        _hold_queries(view, place, seen.first_query, seen.queries.shape[1]),
    )


@compiled
def _base_limit(view: Table, advice: Advice, row: int, has_rule: int) -> int:
    """The limit that factors multiply."""
    query = view.operators_query[row]
    num_executors = view.simulations_num_executors[view.queries_simulation[query]]
    if not has_rule:
        return num_executors
    if advice.position[row] != UNLISTED:
        return advice.limit[row]
    return min(view.queries_num_executors[query] + view.operators_num_unclaimed[row], num_executors)


@compiled
def _index_of_degree(degree: int) -> int:
    """The first of ``DEGREES`` that is not less."""
    at = 0
    while DEGREES[at] < min(degree, LONGEST):
        at += 1
    return at


@compiled_allocating
def _hold_queries(view: Table, place: Table, first: int, num_queries: int) -> np.ndarray:
    """Queries that have running executors and free ones, where executors stay with pipelines."""
    queries, count = np.empty(num_queries, np.int64), 0
    if place.is_sticky[0]:
        for query in range(num_queries):
            row = first + query
            if view.queries_num_local_free[row] > 0 and view.queries_num_executors[row] > 0:
                queries[count] = query
                count += 1
    return queries[:count]


@compiled
def must_start(view: Table, place: Table, simulation: int) -> bool:
    """Whether stopping at once would leave no scheduling event to come, perhaps."""
    is_idle = view.simulations_num_free[simulation] == view.simulations_num_executors[simulation]
    return is_idle or not place.is_sticky[0]


@compiled
def put_priors(
    view: Table,
    policy: Table,
    place: Table,
    advice: Advice,
    seen: Observation,
    choices: Choices,
    logits: Logits,
) -> None:
    """The rule's logits of all choices."""
    strength = policy.strength[0]
    _put_root_priors(advice, seen, choices, policy.parts[HAS_RULE], strength, logits)
    peak = CHOICE_STRENGTH * strength
    for at in range(len(choices.first)):
        logits.limits[at] = 0.0
        if policy.parts[HAS_RULE]:
            logits.limits[at, USUAL_FACTOR] = peak
    for at in range(len(choices.candidate)):
        row = seen.row[choices.candidate[at]]
        can_be_longer = place.pipeline_next[view.operators_plan_operator[row]] >= 0
        is_open = can_be_longer and not view.operators_is_started[row]
        logits.degrees[at] = 0.0 if is_open else MASKED
        logits.degrees[at, choices.rule_degree[at]] = peak
    for at in range(len(choices.hold_queries)):
        logits.holds[at] = 0.0
        is_held = advice.held[seen.first_query + choices.hold_queries[at]] > 0
        logits.holds[at, 1 if is_held else 0] = peak


@compiled
def _put_root_priors(
    advice: Advice,
    seen: Observation,
    choices: Choices,
    has_rule: int,
    strength: float,
    logits: Logits,
) -> None:
    """The rule's logits of candidates and of stopping."""
    if not has_rule:
        logits.roots[:], logits.stop[:] = 0.0, -STOP_MARGIN
        return
    order_strength, margin, num_listed = ORDER_STRENGTH * strength, STOP_MARGIN * strength, 0
    for operator in choices.candidate:
        num_listed += advice.position[seen.row[operator]] != UNLISTED
    stop = -order_strength * math.log1p(num_listed) - margin
    logits.stop[:] = stop
    for at in range(len(choices.candidate)):
        position = advice.position[seen.row[choices.candidate[at]]]
        is_listed = position != UNLISTED
        logits.roots[at] = -order_strength * math.log1p(position) if is_listed else stop - margin
