"""What a scheduler answers: a schedule, which stands until the next scheduling event (R5).

These are made many times per event; a msgspec struct is made several times faster than a frozen
dataclass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from sim.view import OperatorView, QueryView


Entry = tuple[int, int, int, int]
"""An allocation that was checked: root slot, query slot, limit, pipeline degree."""
Answer = tuple[list[Entry], dict[int, int], int | None]
"""A schedule that was checked: entries, holds by query slot, timer."""


class Allocation(Struct, frozen=True):
    """Give free executors to an operator.

    Attributes:
        operator: the execution root, one of a query's ``schedulable`` operators.
        num_executors: the total that its *query* may hold (Decima's parallelism limit), from 1
            to the number of executors in the cluster.
        pipeline_degree: how many operators run together, from the root along non-breaking edges,
            as far as their other inputs are complete; fixed once the pipeline has started.
    """

    operator: OperatorView
    num_executors: int
    pipeline_degree: int = 1


class Hold(Struct, frozen=True):
    """Keep up to ``num_executors`` free executors that are local to ``query`` from others."""

    query: QueryView
    num_executors: int


class Schedule(Struct, frozen=True):
    """Allocations in order of precedence, holds, and when to ask again at the latest.

    Attributes:
        allocations: a free executor goes to the first one whose query holds fewer executors than
            its limit and that has unclaimed work orders. An operator may be listed more than
            once, with growing limits.
        holds: executors to keep for the query they are local to.
        until_us: ask for a scheduling event at this time at the latest.
    """

    allocations: Sequence[Allocation]
    holds: Sequence[Hold] = ()
    until_us: int | None = None
