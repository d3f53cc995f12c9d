"""What simulations that are stepped side by side share."""

from __future__ import annotations

from collections.abc import Sequence

from sim.cluster import Cluster
from sim.fast_engine.tables import plan_tables
from sim.names import Names
from sim.workload import CompiledPlan
from traces import Plan


class PreparedPlans:
    """The plans of a trace, prepared for a cluster.

    Attributes:
        plans: what was prepared.
        compiled: by name.
        tables: as arrays, which nobody changes.
    """

    def __init__(self, plans: Sequence[Plan], cluster: Cluster) -> None:
        self.plans = plans
        self.compiled = {plan.name: CompiledPlan(plan, cluster) for plan in plans}
        self.tables = plan_tables(list(self.compiled.values()), cluster)


class Shared:
    """Names of tenants and query classes, and plans that were prepared once for all.

    Args:
        cluster: what all of the simulations run on.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.tenants, self.query_classes = Names(), Names()
        self._cluster = cluster
        self._prepared: dict[int, PreparedPlans] = {}

    def prepared(self, plans: Sequence[Plan]) -> PreparedPlans:
        """These plans, prepared; the same for the same object."""
        key = id(plans)  # nobody else gets it while the object is kept here
        if key not in self._prepared:
            self._prepared[key] = PreparedPlans(plans, self._cluster)
        return self._prepared[key]
