"""The arrays of a batch of simulations: the columns that it shows, and how to find each of them.

Columns are those of ``sim.batch_fields.FIELDS``, called ``group_name`` here. One array per column:
who learns from them wants columns that are contiguous.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sim.batch_fields import FIELDS, Group
from sim.fast_engine.layout import INT

PER_SIMULATION = ("addresses", "statuses", "first_plans", "first_plan_operators")
"""By simulation of the batch: address of the table of its ``World``; why its loop returned, or
``batch.GO_ON``; where its trace's plans and their operators begin in the ``PlanTable``."""
OFFSETS = ("query_offsets", "operator_offsets", "edge_offsets")
"""By row of ``simulations``, and one more: its first row in each of the other groups."""
SCRATCH = {"num_entries": "simulations", "holds": "queries"}
"""By row: allocations in the answer that is being checked; executors to be held, -1: none named."""

VIEW_ARRAYS: dict[str, tuple[np.dtype, int]] = {
    **dict.fromkeys(OFFSETS, (INT, 1)),
    **{
        f"{field.group}_{field.name}": (np.dtype(field.dtype), 1 + field.is_per_node)
        for field in FIELDS
    },
}
"""Types of the arrays of a ``BatchView`` and their numbers of dimensions."""
ARRAYS: dict[str, tuple[np.dtype, int]] = {
    **VIEW_ARRAYS,
    **dict.fromkeys((*PER_SIMULATION, *SCRATCH), (INT, 1)),
    "kinds": (INT, 1),
}
"""Likewise, of a batch; its view's come first. ``kinds``: by operator in ``PlanTable``."""

PAGE, LINE = 4096, 64
"""Bytes of a page of memory and of a line of the cache."""


class Batch(Protocol):
    """A batch in compiled code: ``batch.name`` is the array of that name."""

    def __getattr__(self, name: str) -> np.ndarray:
        """An array."""
        ...


class BatchArrays:
    """All arrays of a batch, which are used again and again and grow.

    Args:
        num_simulations: that there are.
        num_nodes: of their cluster.
        kinds: see ``ARRAYS``.

    Attributes:
        arrays: by name.
    """

    def __init__(self, num_simulations: int, num_nodes: int, kinds: np.ndarray) -> None:
        self.arrays: dict[str, np.ndarray] = {"kinds": kinds}
        self._num_nodes = num_nodes
        for name in PER_SIMULATION:
            self.arrays[name] = np.zeros(num_simulations, INT)
        for name in OFFSETS:
            self.arrays[name] = np.zeros(num_simulations + 1, INT)
        self._capacities: dict[Group, int] = {}
        self.make_room("simulations", num_simulations)
        for group in ("queries", "operators", "edges"):
            self.make_room(group, 16)

    def make_room(self, group: Group, num_rows: int) -> bool:
        """At least so many rows in a group, whose contents go; whether there were fewer."""
        if num_rows <= self._capacities.get(group, -1):
            return False
        is_first = group not in self._capacities
        capacity = num_rows if is_first else 2 * num_rows
        self._capacities[group] = capacity
        self.arrays |= self._columns(group, capacity)
        for name, of_group in SCRATCH.items():
            if of_group == group:
                self.arrays[name] = np.full(capacity, -1, INT)
        return True

    def _columns(self, group: Group, capacity: int) -> dict[str, np.ndarray]:
        """The columns of a group, in one piece of memory.

        Rows are written to all columns at once. Columns that begin at the same place of a page
        would take each other's places in the cache.
        """
        fields = [field for field in FIELDS if field.group == group]
        widths = [self._num_nodes if field.is_per_node else 1 for field in fields]
        room = -(-8 * capacity * max(widths) // PAGE) * PAGE + LINE
        memory, columns = np.zeros(len(fields) * room, np.uint8), {}
        for at, (field, width) in enumerate(zip(fields, widths, strict=True)):
            size = np.dtype(field.dtype).itemsize * capacity * width
            column = memory[at * room : at * room + size].view(field.dtype)
            shape = (capacity, width) if field.is_per_node else (capacity,)
            columns[f"{group}_{field.name}"] = column.reshape(shape)
        return columns
