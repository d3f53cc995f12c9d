"""A schedule that is put together, allocation by allocation, at one scheduling event."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lsched.gym.observation import Observation, Sizes, padded
from sim import BatchSchedule, BatchView, ClusterView, InvalidSchedule, OperatorView


class Entry(NamedTuple):
    """An allocation; ``row`` is the operator's in the observation."""

    row: int
    num_executors: int
    pipeline_degree: int


class Decision:
    """What is to be decided at a scheduling event, and the schedule so far.

    Args:
        view: the event, as a batch of one.
        cluster_view: the same as objects, to say what is wrong.
        sizes: of the observation.

    Raises:
        OptionError: the observation has no room for a single query.

    Attributes:
        entries: the schedule so far.
        query: of each row, its query's row in the observation.
        num_unclaimed: of each row, work orders that have not been started.

    Shapes:
        query, num_unclaimed: (operators,), without rows that stand for nothing.
    """

    def __init__(self, view: BatchView, cluster_view: ClusterView, sizes: Sizes) -> None:
        self._seen, self._view_rows = padded(view, sizes)
        self._cluster_view = cluster_view
        self._num_executors = view.cluster.num_executors
        columns, rows = view.operators, self._view_rows
        self.query = columns.query[rows]
        self.num_unclaimed = columns.num_unclaimed[rows]
        self._index = columns.index[rows]
        self._is_schedulable = np.zeros(sizes.operators, np.bool_)
        self._is_schedulable[: len(rows)] = columns.is_schedulable[rows]
        self._is_awaited = _is_awaited(view)
        self.entries: list[Entry] = []

    @property
    def observation(self) -> Observation:
        """What an agent sees, in arrays of its own."""
        return {name: array.copy() for name, array in self._seen.items()}

    @property
    def can_add(self) -> np.ndarray:
        """Of each row of the observation, whether an allocation of it may come next.

        It must be schedulable (R4). After an allocation that lets its query have all executors,
        another one of the same operator would change nothing.
        """
        return self._is_schedulable & (self._seen["listed"] < self._num_executors)

    @property
    def can_end(self) -> bool:
        """Whether the schedule may stay as it is: with it there will be another event."""
        return self._is_awaited or bool(self.entries)

    @property
    def schedule(self) -> BatchSchedule:
        """The schedule so far, in rows of the view."""
        rows, limits, degrees = np.array(self.entries, np.int64).reshape(-1, 3).T
        return BatchSchedule(self._view_rows[rows], limits, degrees)

    def operator(self, row: int) -> OperatorView:
        """What a row of the observation stands for."""
        query = self._cluster_view.queries[int(self.query[row])]
        return query.operators[int(self._index[row])]

    def add(self, entry: Entry) -> None:
        """Append an allocation.

        Raises:
            InvalidSchedule: ``can_add`` is false for its row; the schedule stays as it is.
        """
        if not self.can_add[entry.row]:
            raise InvalidSchedule(f"{self._objection(entry.row)}; allowed: rows {self._allowed()}")
        self.entries.append(entry)
        listed = self._seen["listed"]
        listed[entry.row] = max(listed[entry.row], entry.num_executors)

    def check_end(self) -> None:
        """Check that the schedule may stay as it is.

        Raises:
            InvalidSchedule: ``can_end`` is false.
        """
        if not self.can_end:
            raise InvalidSchedule(
                "rule R6: an empty schedule, after which no event would come; allowed: an "
                f"allocation of rows {self._allowed()}"
            )

    def _objection(self, row: int) -> str:
        if row >= len(self._view_rows):
            return f"rule R5: row {row}, which stands for no operator"
        operator = self.operator(row)
        if not self._is_schedulable[row]:
            return f"rule R4: row {row}, {operator!r}, which {operator.blocked_by()}"
        return f"rule R5: row {row}, {operator!r}, which is listed with all executors"

    def _allowed(self) -> str:
        return ", ".join(map(str, np.flatnonzero(self.can_add))) or "none"


def _is_awaited(view: BatchView) -> bool:
    """Whether an event will come without any allocation, whatever may arrive: a pipeline ends.

    One with unclaimed work orders does not, where executors leave it after each of them.
    """
    runs = view.operators.num_executors > 0
    if view.cluster.release == "work-order":
        runs = runs & (view.operators.num_unclaimed == 0)
    return bool(runs.any())
