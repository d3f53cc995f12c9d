"""A rule's schedule by operator and query: where a policy starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim import NEVER, BatchSchedule, BatchView

UNLISTED = 1 << 30
"""Place of what the rule does not schedule."""


@dataclass(frozen=True)
class Advice:
    """What a rule answers to a view, by row of the view.

    Attributes:
        position: an operator's place in its simulation's schedule, ``UNLISTED`` for none.
        limit: executors that its query may hold; 0 where it is not listed.
        degree: operators to run together.
        query_position: the first place of a query's operators.
        held: executors that are held for a query.
        until_us: when the rule asks again, by simulation.
        spare_operators, spare_limits, spare_degrees: second allocations of operators, in order:
            executors that the first limits leave over.

    Shapes:
        position, limit, degree: (operators,); query_position, held: (queries,);
        until_us: (simulations,); spare_*: (allocations,).
    """

    position: np.ndarray
    limit: np.ndarray
    degree: np.ndarray
    query_position: np.ndarray
    held: np.ndarray
    until_us: np.ndarray
    spare_operators: np.ndarray
    spare_limits: np.ndarray
    spare_degrees: np.ndarray


def advice_of(schedule: BatchSchedule, view: BatchView) -> Advice:
    """A schedule for all simulations of a view; each one's allocations stand together."""
    operators, limits = np.asarray(schedule.operators), np.asarray(schedule.num_executors)
    degrees = np.broadcast_to(np.asarray(schedule.pipeline_degrees), operators.shape)
    query = view.operators.query[operators]
    simulation = view.queries.simulation[query]
    places = np.arange(len(operators))
    first = np.searchsorted(simulation, np.arange(len(view)))
    places -= first[simulation]
    num_operators, num_queries = len(view.operators), len(view.queries)
    position = np.full(num_operators, UNLISTED)
    limit = np.zeros(num_operators, np.int64)
    degree = np.ones(num_operators, np.int64)
    query_position = np.full(num_queries, UNLISTED)
    # Written from the last to the first, so the first of several stays.
    position[operators[::-1]] = places[::-1]
    limit[operators[::-1]] = limits[::-1]
    degree[operators[::-1]] = degrees[::-1]
    query_position[query[::-1]] = places[::-1]
    is_spare = position[operators] != places
    held = np.zeros(num_queries, np.int64)
    if schedule.hold_queries is not None:
        held[np.asarray(schedule.hold_queries)] = schedule.hold_executors
    until_us = schedule.until_us
    return Advice(
        position,
        limit,
        degree,
        query_position,
        held,
        np.full(len(view), NEVER) if until_us is None else np.asarray(until_us),
        operators[is_spare],
        limits[is_spare],
        degrees[is_spare],
    )


def no_advice(view: BatchView) -> Advice:
    """Where there is no rule, nothing is listed."""
    return advice_of(BatchSchedule(np.zeros(0, np.int64), np.zeros(0, np.int64)), view)
