"""What a scheduler sees of many simulations at once (R10), as arrays.

The same as ``sim.view`` shows one by one. ``sim.batch_fields`` has the table of all columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.batch_fields import Group, names_of
from sim.cluster import Cluster
from sim.plan_table import PlanTable

if TYPE_CHECKING:
    from sim.batch_schedule import BatchSchedule
    from sim.registry import Scheduler

    Adviser = Callable[["BatchView", Scheduler], BatchSchedule]


class Rows:
    """One of the groups of ``sim.batch_fields``: an array per column, ``operators.num_done``.

    Arrays cannot be written to.
    """

    def __init__(self, group: Group, arrays: Mapping[str, np.ndarray], num_rows: int) -> None:
        self._group, self._arrays, self._num_rows = group, arrays, num_rows

    def __len__(self) -> int:
        return self._num_rows

    def __dir__(self) -> list[str]:
        return names_of(self._group)

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_"):
            raise AttributeError(name)
        full = self._arrays.get(f"{self._group}_{name}")
        if full is None:
            columns = ", ".join(names_of(self._group))
            raise AttributeError(f"{self._group} have no {name!r}, only {columns}")
        column = _first(full, self._num_rows)
        self.__dict__[name] = column
        return column


class BatchView:
    """All simulations of a batch that await an answer, and what is in their systems.

    Rows of a group stand by simulation; queries by arrival, operators by query and by index in the
    plan, edges by query and by consumer. Arrays are valid until the next call of ``next_events``,
    which fills the same memory again: copy what is to be kept.

    Attributes:
        simulations, queries, operators, edges: columns, see ``sim.batch_fields.FIELDS``.
        query_offsets, operator_offsets, edge_offsets: rows of the simulation in row s are those
            from ``offsets[s]`` to ``offsets[s + 1]``.
        plans: what does not change.
        cluster: of all simulations, without its outages, which are the future.
        tenants, query_classes: their names, by the indices in ``queries``. New names come to the
            end.

    Shapes:
        query_offsets, operator_offsets, edge_offsets: (simulations + 1,)
    """

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        num_simulations: int,
        plans: PlanTable,
        cluster: Cluster,
        tenants: Sequence[str],
        query_classes: Sequence[str],
        adviser: Adviser,
        address: int | None = None,
    ) -> None:
        self.query_offsets = _first(arrays["query_offsets"], num_simulations + 1)
        self.operator_offsets = _first(arrays["operator_offsets"], num_simulations + 1)
        self.edge_offsets = _first(arrays["edge_offsets"], num_simulations + 1)
        self.simulations = Rows("simulations", arrays, num_simulations)
        self.queries = Rows("queries", arrays, int(self.query_offsets[-1]))
        self.operators = Rows("operators", arrays, int(self.operator_offsets[-1]))
        self.edges = Rows("edges", arrays, int(self.edge_offsets[-1]))
        self.plans, self.cluster = plans, cluster
        self.tenants, self.query_classes = tenants, query_classes
        self._arrays, self._adviser, self._address = arrays, adviser, address

    def __len__(self) -> int:
        return len(self.simulations)

    @property
    def address(self) -> int:
        """Where compiled code finds the columns, see ``sim.fast_engine.batch.view_at``.

        Needs numba.
        """
        if self._address is None:
            from sim.fast_engine.batch_layout import VIEW_ARRAYS
            from sim.fast_engine.world import table_of_arrays

            self._table = table_of_arrays(self._arrays, VIEW_ARRAYS)
            self._address = int(self._table.ctypes.data)
        return self._address

    def advice(self, scheduler: Scheduler) -> BatchSchedule:
        """What a rule would answer to all simulations of the view; nothing changes.

        For policies that imitate or correct one. Allocations of a simulation stand together, in
        order of precedence; simulations in the order of the view.

        Raises:
            ValueError: the compiled engine cannot decide by that rule, or it is ``reserve`` and was
                asked with another ``short`` or ``size`` before.
            RuntimeError: some of the simulations were answered already.
        """
        return self._adviser(self, scheduler)


def _first(array: np.ndarray, count: int) -> np.ndarray:
    """The first rows of an array, not to be written to."""
    rows = array[:count]
    rows.flags.writeable = False
    return rows
