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
PEAK = np.float32(CHOICE_STRENGTH)


class Choices(NamedTuple):
    """See ``lsched.learn.choices.Choices``.

    Attributes:
        candidate: rows in the observation.
        first: the first candidate of each query that has one.
        query_place: a candidate's query among those.
        base_limit: the rule's limit for a candidate's query.
        rule_degree: the rule's choice of ``DEGREES`` for a candidate.
        hold_queries: rows of queries whose idle executors may be held.
    """

    candidate: np.ndarray
    first: np.ndarray
    query_place: np.ndarray
    base_limit: np.ndarray
    rule_degree: np.ndarray
    hold_queries: np.ndarray


@compiled_allocating
def choices_of(
    view: Table, policy: Table, place: Table, num_rows: int, advice: Advice, seen: Observation
) -> Choices:
    """All choices at a view's events."""
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
        query = view.operators_query[row]
        if query != last_query:
            first[num_first], last_query = at, query
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
        _hold_queries(view, place, view.query_offsets[num_rows]),
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
def _hold_queries(view: Table, place: Table, num_queries: int) -> np.ndarray:
    """Queries that have running executors and free ones, where executors stay with pipelines."""
    queries, count = np.empty(num_queries, np.int64), 0
    for query in range(num_queries):
        if view.queries_num_local_free[query] > 0 and view.queries_num_executors[query] > 0:
            queries[count] = query
            count += place.is_sticky[0]
    return queries[:count]


@compiled
def must_start(view: Table, place: Table, simulation: int) -> bool:
    """Whether stopping at once would leave no scheduling event to come, perhaps."""
    is_idle = view.simulations_num_free[simulation] == view.simulations_num_executors[simulation]
    return is_idle or not place.is_sticky[0]


@compiled_allocating
def put_root_priors(
    view: Table,
    policy: Table,
    num_rows: int,
    advice: Advice,
    seen: Observation,
    choices: Choices,
    roots: np.ndarray,
    stop: np.ndarray,
) -> None:
    """The rule's logits of candidates and of stopping."""
    roots[: len(choices.candidate)] = 0.0
    stop[:num_rows] = -STOP_MARGIN
    if not policy.parts[HAS_RULE]:
        return
    num_listed = np.zeros(num_rows, np.int64)
    for operator in choices.candidate:
        row = seen.row[operator]
        if advice.position[row] != UNLISTED:
            num_listed[view.queries_simulation[view.operators_query[row]]] += 1
    prior = np.empty(num_rows, np.float64)
    for simulation in range(num_rows):
        prior[simulation] = -ORDER_STRENGTH * math.log1p(num_listed[simulation]) - STOP_MARGIN
        stop[simulation] = prior[simulation]
    for at in range(len(choices.candidate)):
        row = seen.row[choices.candidate[at]]
        if advice.position[row] != UNLISTED:
            roots[at] = -ORDER_STRENGTH * math.log1p(advice.position[row])
        else:
            roots[at] = prior[view.queries_simulation[view.operators_query[row]]] - STOP_MARGIN


@compiled
def put_other_priors(
    view: Table,
    policy: Table,
    place: Table,
    advice: Advice,
    seen: Observation,
    choices: Choices,
    limits: np.ndarray,
    degrees: np.ndarray,
    holds: np.ndarray,
) -> None:
    """The rule's logits of limits, degrees and holds."""
    for at in range(len(choices.first)):
        limits[at] = 0.0
        if policy.parts[HAS_RULE]:
            limits[at, USUAL_FACTOR] = PEAK
    for at in range(len(choices.candidate)):
        row = seen.row[choices.candidate[at]]
        can_be_longer = place.pipeline_next[view.operators_plan_operator[row]] >= 0
        is_open = can_be_longer and not view.operators_is_started[row]
        degrees[at] = 0.0 if is_open else MASKED
        degrees[at, choices.rule_degree[at]] = PEAK
    for at in range(len(choices.hold_queries)):
        is_held = advice.held[choices.hold_queries[at]] > 0
        holds[at, 0], holds[at, 1] = (0.0, PEAK) if is_held else (PEAK, 0.0)
