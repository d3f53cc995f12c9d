"""Answers in rows of a batch, as the objects that one simulation is answered with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.batch_schedule import BatchSchedule, Packed, packed
from sim.batch_view import BatchView
from sim.errors import InvalidSchedule
from sim.fast_engine.layout import NEVER
from sim.schedule import Allocation, Hold, Schedule
from sim.view import QueryView


def answer_to_one(
    schedule: BatchSchedule, view: BatchView, queries: Sequence[QueryView]
) -> Schedule:
    """The schedule of the only simulation of a view; ``queries``: those in its system.

    Raises:
        InvalidSchedule: it has another form than it must have, names rows that the view does not
            have, or leaves the simulation out.
    """
    schedules = packed(schedule, view)
    if not schedules.is_answered.all():
        raise InvalidSchedule(
            "rule R5: `simulations` leaves the only one out; allowed: [0] or None"
        )
    if message := not_in(view, schedules):
        raise InvalidSchedule(message)
    return schedule_in_row(view, schedules, 0, queries)


def schedule_in_row(
    view: BatchView, schedules: Packed, row: int, queries: Sequence[QueryView]
) -> Schedule:
    """The schedule of one simulation as objects; ``queries``: those in its system."""
    first_query, last_query = view.query_offsets[row : row + 2].tolist()
    first, last = view.operator_offsets[row : row + 2].tolist()
    allocations = [
        Allocation(
            queries[int(view.operators.query[operator]) - first_query].operators[
                int(view.operators.index[operator])
            ],
            num_executors,
            degree,
        )
        for operator, num_executors, degree in schedules.allocations.T.tolist()
        if first <= operator < last
    ]
    holds = [
        Hold(queries[query - first_query], num_executors)
        for query, num_executors in schedules.holds.T.tolist()
        if first_query <= query < last_query
    ]
    until_us = int(schedules.until_us[row])
    return Schedule(allocations, holds, None if until_us == NEVER else until_us)


def not_in(view: BatchView, schedules: Packed) -> str:
    """What is wrong with the first row that is none of the view, or not answered; or nothing."""
    for name, rows, num_rows, of_query in (
        ("operators", schedules.allocations[0], len(view.operators), view.operators.query),
        ("queries", schedules.holds[0], len(view.queries), np.arange(len(view.queries))),
    ):
        for row in rows.tolist():
            if not 0 <= row < num_rows:
                return f"rule R5: row {row} of {name}; allowed: 0 to {num_rows - 1}, as in the view"
            simulation = view.queries.simulation[of_query[row]]
            if not schedules.is_answered[simulation]:
                return (
                    f"rule R5: row {row} of {name}, of simulation "
                    f"{view.simulations.simulation[simulation]}, which is not in `simulations`; "
                    "allowed: rows of simulations that are answered"
                )
    return ""
