"""What is known of a plan from its completed runs (R10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class PlanHistory:
    """Completed runs of one plan.

    Attributes:
        num_completed: how many.
        busy_us: per operator, executor time over all of them.
        num_work_orders: per operator, over all of them.
    """

    num_completed: int
    busy_us: list[float]
    num_work_orders: list[int]

    def mean_work_order_us(self, operator: int) -> float:
        """Mean executor time per work order of an operator, µs."""
        return self.busy_us[operator] / self.num_work_orders[operator]


@dataclass(slots=True)
class History:
    """Completed runs by plan. Pass one run's history to the next to start with experience."""

    plans: dict[str, PlanHistory] = field(default_factory=dict)
    is_enabled: bool = True
    observed_work_us: float = 0.0
    estimated_work_us: float = 0.0

    def of(self, plan: str) -> PlanHistory | None:
        """Completed runs of a plan, None if there are none."""
        return self.plans.get(plan)

    @property
    def correction(self) -> float:
        """Observed ÷ estimated work over all completed queries; 1 before the first.

        Puts estimates of plans that never ran on the scale of those that did.
        """
        if self.estimated_work_us <= 0.0:
            return 1.0
        return self.observed_work_us / self.estimated_work_us

    def record(
        self,
        plan: str,
        busy_us: Sequence[float],
        num_work_orders: Sequence[int],
        estimated_work_us: float,
    ) -> None:
        """Add a completed run."""
        if not self.is_enabled:
            return
        known = self.plans.get(plan)
        if known is None:
            self.plans[plan] = PlanHistory(1, list(busy_us), list(num_work_orders))
        else:
            known.num_completed += 1
            for operator, (busy, count) in enumerate(zip(busy_us, num_work_orders, strict=True)):
                known.busy_us[operator] += busy
                known.num_work_orders[operator] += count
        self.observed_work_us += sum(busy_us)
        self.estimated_work_us += estimated_work_us

    def copy(self) -> History:
        """An independent copy."""
        plans = {
            name: PlanHistory(p.num_completed, list(p.busy_us), list(p.num_work_orders))
            for name, p in self.plans.items()
        }
        return History(plans, self.is_enabled, self.observed_work_us, self.estimated_work_us)
