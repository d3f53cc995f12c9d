"""What a scheduler answers to many simulations at once: their schedules (R5), as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sim.batch_view import BatchView
from sim.errors import InvalidSchedule
from sim.fast_engine.layout import NEVER

FINE, NO_ROW, IS_ANSWERED, LACKS_ROOM = -1, -2, -3, -4
"""What compiled code says of an answer: it stands; it names a row that the view does not have, or
that is of a simulation that is not answered by it; it is for one that was answered before; it has
more allocations than there is room for. What is not negative is the row of a simulation whose
schedule breaks a rule."""
NO_HOLDS = np.zeros((2, 0), np.int64)


@dataclass(frozen=True)
class BatchSchedule:
    """Schedules of the simulations of a view; rows are those of the view.

    Attributes:
        operators: rows of execution roots. Those of one simulation are its allocations, in order of
            precedence; between simulations the order says nothing.
        num_executors: total that the operator's query may hold; one number: for all.
        pipeline_degrees: operators to run together; one number: for all.
        hold_queries, hold_executors: rows of queries, and how many free executors that are local to
            each are kept from others. None: no holds.
        until_us: per row of ``view.simulations``, when to ask again at the latest; ``sim.NEVER``:
            no timer. None: no timers.
        simulations: rows of the simulations that are answered; the others wait for another
            ``apply``. None: all.

    Shapes:
        operators, num_executors, pipeline_degrees: (allocations,)
        hold_queries, hold_executors: (holds,)
        until_us: (simulations of the view,)
    """

    operators: ArrayLike
    num_executors: ArrayLike
    pipeline_degrees: ArrayLike = 1
    hold_queries: ArrayLike | None = None
    hold_executors: ArrayLike = 0
    until_us: ArrayLike | None = None
    simulations: ArrayLike | None = None


class Packed(NamedTuple):
    """A ``BatchSchedule`` in the form that compiled code takes, see ``batch.answer``."""

    is_answered: np.ndarray
    allocations: np.ndarray
    holds: np.ndarray
    until_us: np.ndarray


def packed(schedule: BatchSchedule, view: BatchView) -> Packed:
    """The arrays of a schedule for a view.

    Raises:
        InvalidSchedule: they are not of whole numbers, or of other lengths than they must be.
    """
    if not isinstance(schedule, BatchSchedule):
        raise InvalidSchedule(f"rule R5: an answer is {schedule!r}; allowed: a BatchSchedule")
    num_simulations = len(view)
    is_answered = np.ones(num_simulations, np.bool_)
    if schedule.simulations is not None:
        is_answered[:] = False
        is_answered[_rows(schedule.simulations, num_simulations)] = True
    until_us = np.full(num_simulations, NEVER, np.int64)
    if schedule.until_us is not None:
        _put(until_us, "until_us", schedule.until_us)
    allocations = _columns(3, "operators", schedule.operators)
    _put(allocations[1], "num_executors", schedule.num_executors)
    _put(allocations[2], "pipeline_degrees", schedule.pipeline_degrees)
    holds = NO_HOLDS
    if schedule.hold_queries is not None:
        holds = _columns(2, "hold_queries", schedule.hold_queries)
        _put(holds[1], "hold_executors", schedule.hold_executors)
    return Packed(is_answered, allocations, holds, until_us)


def _rows(simulations: ArrayLike, num_simulations: int) -> np.ndarray:
    """Rows of simulations that are answered."""
    rows = _whole("simulations", simulations)
    if rows.ndim != 1 or np.any((rows < 0) | (rows >= num_simulations)):
        raise InvalidSchedule(
            f"rule R5: simulations are {rows.tolist()}; allowed: rows 0 to "
            f"{num_simulations - 1} of the view's simulations"
        )
    return rows


def _columns(num_columns: int, name: str, rows: ArrayLike) -> np.ndarray:
    """An array with so many rows, the first of which are rows of the view."""
    first = _whole(name, rows)
    if first.ndim != 1:
        raise InvalidSchedule(f"rule R5: {name} has shape {first.shape}; allowed: one dimension")
    columns = np.empty((num_columns, len(first)), np.int64)
    columns[0] = first
    return columns


def _put(column: np.ndarray, name: str, values: ArrayLike) -> None:
    """Fill a column with one number, or with as many as it has."""
    if type(values) is not int:
        values = _whole(name, values)
        if values.shape not in ((), column.shape):
            shapes = f"{values.shape}; allowed: {column.shape}"
            raise InvalidSchedule(f"rule R5: {name} has shape {shapes}")
    column[:] = values


def _whole(name: str, values: ArrayLike) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind != "i" and array.size:
        raise InvalidSchedule(f"rule R5: {name} is of {array.dtype}; allowed: whole numbers, int64")
    return array.astype(np.int64, copy=False)
