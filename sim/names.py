"""Names as numbers."""

from __future__ import annotations

from collections.abc import Mapping

from sim.plan_table import plan_table
from sim.workload import CompiledPlan


class Names:
    """Names in the order in which they were first seen; their indices never change."""

    def __init__(self) -> None:
        self._indices: dict[str, int] = {}

    def index_of(self, name: str) -> int:
        """Its index; a new name comes to the end."""
        return self._indices.setdefault(name, len(self._indices))

    def as_list(self) -> list[str]:
        """All names, by index."""
        return list(self._indices)


class Indices:
    """What a simulation's batch views refer to by number.

    Args:
        plans: of its trace, by name.

    Attributes:
        plans: as arrays.
        plan_of: where a plan is in ``plans``.
        tenants, query_classes: their names.
    """

    def __init__(self, plans: Mapping[str, CompiledPlan]) -> None:
        self.plans = plan_table(list(plans.values()))
        self.plan_of = {name: index for index, name in enumerate(plans)}
        self.tenants, self.query_classes = Names(), Names()
