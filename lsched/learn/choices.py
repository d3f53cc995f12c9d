"""The choices that a policy has at a scheduling event, and what the rule would choose.

Masks are exact: what is no choice has no row here, or a logit of ``MASKED``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsched.learn.advice import UNLISTED, Advice
from lsched.learn.config import DEGREES, FACTORS, FRACTIONS, PolicyConfig
from lsched.learn.observation import Observation
from sim import BatchView

ORDER_STRENGTH = 4.0
"""The logit of a query's roots is −4 log(remaining work), stretched where the rule's order is
another one: queries of nearly the same size are easily exchanged, others hardly."""
ROOT_GAP, QUERY_GAP = 1.5, 0.1
"""Between a query's roots in the rule's order, and the least between queries."""
STOP_MARGIN = 3.0
"""By how much the rule's stopping is less probable than its last root, and what it leaves out than
stopping."""
LIMIT_SPREAD = 0.2
"""The logit of a factor f of the rule's limit is −(log f)² ÷ 2 spread²."""
CHOICE_STRENGTH = 3.0
"""By how much the logit of the rule's degree and hold exceeds those of others."""
MASKED = -1e4
"""A logit whose probability is exactly 0, without infinities that gradients would stumble over."""


@dataclass(frozen=True)
class Choices:
    """What can be chosen, for all simulations of a view.

    A *candidate* is an operator that may be an execution root. Those of a simulation stand
    together, and queries' candidates too.

    Attributes:
        candidates: rows in the observation.
        row: rows in the view.
        query: rows of the candidates' queries.
        simulation: rows of their simulations.
        prior: the rule's logits of candidates.
        stop_prior: the rule's logits of leaving out all that comes later.
        must_start: whether a simulation's first item must be a candidate: there would be no
            scheduling event any more if what runs now were the last (R6).
        base_limit: the rule's limit for a candidate's query, which ``FACTORS`` multiply.
        limit_prior: the rule's logits of factors.
        limit_share: limit ÷ executors by factor, for a query's first candidate.
        query_rows: rows of queries with candidates, ascending.
        query_place: each candidate's query in ``query_rows``.
        demand: executors that a candidate could use.
        degree_prior: the rule's logits of ``DEGREES``.
        hold_rows: rows of queries that have both running executors, whose end will be a scheduling
            event, and free ones.
        hold_prior: the rule's logits of holding none and all of them.
        simulation_of_query_rows, simulation_of_hold_rows: rows of the queries' simulations.

    Shapes:
        candidates, row, query, simulation, prior, base_limit, query_place, demand: (C,);
        stop_prior, must_start: (S,); limit_prior, limit_share: (Q, factors), Q: of query_rows;
        degree_prior: (C, degrees); hold_rows: (H,); hold_prior: (H, 2);
        simulation_of_query_rows: (Q,); simulation_of_hold_rows: (H,).
    """

    candidates: np.ndarray
    row: np.ndarray
    query: np.ndarray
    simulation: np.ndarray
    prior: np.ndarray
    stop_prior: np.ndarray
    must_start: np.ndarray
    base_limit: np.ndarray
    limit_prior: np.ndarray
    limit_share: np.ndarray
    query_rows: np.ndarray
    query_place: np.ndarray
    demand: np.ndarray
    degree_prior: np.ndarray
    hold_rows: np.ndarray
    hold_prior: np.ndarray
    simulation_of_query_rows: np.ndarray
    simulation_of_hold_rows: np.ndarray


def choices_of(
    view: BatchView, advice: Advice, observation: Observation, config: PolicyConfig
) -> Choices:
    """All choices at a view's events."""
    has_rule, strength = bool(config.rule), config.strength
    candidates = np.flatnonzero(view.operators.is_schedulable[observation.row])
    row = observation.row[candidates]
    query = observation.query_of[candidates]
    simulation = observation.simulation_of[query]
    num_executors = view.simulations.num_executors
    demand = view.operators.num_unclaimed[row]
    position, limit = advice.position[row], advice.limit[row]
    is_listed = position < UNLISTED
    if has_rule:
        margin = STOP_MARGIN * strength
        work_us = np.maximum(view.queries.history_remaining_us[query], 1.0)
        listed_prior = strength * _order_prior(position, query, simulation, np.log(work_us))
        lowest = np.zeros(len(view))
        np.minimum.at(lowest, simulation[is_listed], listed_prior[is_listed])
        stop_prior = lowest - margin
        prior = np.where(is_listed, listed_prior, stop_prior[simulation] - margin)
        held = view.queries.num_executors[query]
        base = np.where(is_listed, limit, np.minimum(held + demand, num_executors[simulation]))
    else:
        prior = np.zeros(len(row))
        stop_prior = np.full(len(view), -STOP_MARGIN)
        base = num_executors[simulation]
    query_rows, first, query_place = np.unique(query, return_index=True, return_inverse=True)
    factors = np.array(FACTORS if has_rule else FRACTIONS)
    shares = np.outer(base[first] / num_executors[simulation[first]], factors)
    is_sticky = view.cluster.release == "pipeline"
    is_idle = view.simulations.num_free == num_executors
    may_hold = (view.queries.num_local_free > 0) & (view.queries.num_executors > 0) & is_sticky
    hold_rows = np.flatnonzero(may_hold)
    return Choices(
        candidates,
        row,
        query,
        simulation,
        prior.astype(np.float32),
        stop_prior.astype(np.float32),
        is_idle | (not is_sticky),
        base,
        _limit_prior(len(query_rows), has_rule, strength),
        np.minimum(shares, 1.0).astype(np.float32),
        query_rows,
        query_place,
        demand,
        _degree_prior(view, advice, row, has_rule, strength),
        hold_rows,
        _two(advice.held[hold_rows] > 0, strength),
        view.queries.simulation[query_rows],
        view.queries.simulation[hold_rows],
    )


def _order_prior(
    position: np.ndarray, query: np.ndarray, simulation: np.ndarray, log_work: np.ndarray
) -> np.ndarray:
    """Logits that fall along each simulation's order in the rule's schedule, from 0."""
    order = np.lexsort((position, simulation))
    growth = ORDER_STRENGTH * np.diff(log_work[order])
    is_same = np.diff(query[order]) == 0
    gap = np.where(is_same, ROOT_GAP, np.maximum(growth, QUERY_GAP))
    gap[np.diff(simulation[order]) != 0] = 0.0
    depth = np.concatenate([np.zeros(min(1, len(order))), np.cumsum(gap)])
    first = np.searchsorted(simulation[order], simulation[order])
    prior = np.empty(len(order))
    prior[order] = depth[first] - depth
    return prior


def _limit_prior(num_rows: int, has_rule: bool, strength: float) -> np.ndarray:
    """Logits of factors of the rule's limit, the same in each row."""
    if not has_rule:
        return np.zeros((num_rows, len(FRACTIONS)), np.float32)
    logits = -strength * np.square(np.log(FACTORS) / LIMIT_SPREAD) / 2.0
    return np.tile(logits.astype(np.float32), (num_rows, 1))


def _degree_prior(
    view: BatchView, advice: Advice, row: np.ndarray, has_rule: bool, strength: float
) -> np.ndarray:
    """Degrees can be chosen where a pipeline begins, and could be longer than one operator."""
    columns = view.operators
    can_be_longer = view.plans.pipeline_next[columns.plan_operator[row]] >= 0
    is_open = can_be_longer & ~columns.is_started[row]
    degree = advice.degree[row] if has_rule else np.ones(len(row), np.int64)
    chosen = np.searchsorted(DEGREES, np.minimum(degree, DEGREES[-1]))
    logits = np.where(is_open[:, None], np.float32(0.0), np.float32(MASKED))
    logits = np.repeat(logits, len(DEGREES), axis=1)
    logits[np.arange(len(row)), chosen] = CHOICE_STRENGTH * strength
    return logits


def _two(is_held: np.ndarray, strength: float) -> np.ndarray:
    logits = np.zeros((len(is_held), 2), np.float32)
    logits[np.arange(len(is_held)), is_held.astype(np.int64)] = CHOICE_STRENGTH * strength
    return logits
