"""What compiled code is called with: tables of arrays, as ``sim.fast_engine.world`` has them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sim.fast_engine.layout import FLOAT, INT
from sim.fast_engine.world import Arrays, TableType, table_at

SINGLE = np.dtype(np.float32)

POLICY_ARRAYS: Arrays = {
    "weights": (SINGLE, 1),
    "spans": (INT, 2),
    "parts": (INT, 1),
    "mask": (SINGLE, 1),
    "outputs": (SINGLE, 1),
    "rule": (FLOAT, 1),
    "has_encoder": (INT, 1),
}
"""A policy, see ``maps``: its weights; where each map's begin; what it is made of; 1 for each
feature that it sees, of operators, queries, then simulations; 1 for each output that counts, of
operators, then queries; its rule, see ``lsched.learn.rule``; and whether its encoder matters."""

PLACE_ARRAYS: Arrays = {
    "height": (INT, 1),
    "pipeline_next": (INT, 1),
    "budget_bytes": (FLOAT, 1),
    "move_delay_us": (FLOAT, 1),
    "is_sticky": (INT, 1),
    "has_many_nodes": (INT, 1),
}
"""Where it decides: two columns of ``PlanTable`` by operator of a plan, and of the cluster its
memory on all nodes (0: unlimited), its delays, how it releases executors, and its nodes."""

ANSWER_ARRAYS: Arrays = {
    "counts": (INT, 1),
    "operators": (SINGLE, 2),
    "queries": (SINGLE, 2),
    "allocations": (INT, 2),
    "held": (INT, 2),
    "degrees": (INT, 1),
}
"""What it answers: corrections as in ``network.Corrections``, transposed; allocations (operator,
executors, degree) and held executors (query, executors) as in ``BatchSchedule``; and how many of
each there are. ``degrees`` is asked, not answered: by operator what ``pipeline=best`` says."""

NUM_OPERATORS, NUM_QUERIES, NUM_ALLOCATIONS, NUM_HELD = range(4)
"""Places in counts."""
NUM_COUNTS = 4

policy_at = table_at(TableType("Policy", POLICY_ARRAYS))
place_at = table_at(TableType("Place", PLACE_ARRAYS))
answer_at = table_at(TableType("Answer", ANSWER_ARRAYS))


class Table(Protocol):
    """A table of arrays in compiled code: ``table.name`` is the array of that name."""

    def __getattr__(self, name: str) -> np.ndarray:
        """An array."""
        ...
