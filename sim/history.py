"""What is known of a plan from its completed runs (R10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sim.sums import ordered_sum

RUNS_BELIEVED = 3
"""Completed runs that what is known before counts for, see ``believed``."""


@dataclass(slots=True)
class PlanHistory:
    """Completed runs of one plan.

    Attributes:
        num_completed: how many.
        busy_us: per operator, executor time over all of them.
        num_recorded: per operator, recorded work orders (before batching) over all of them.
    """

    num_completed: int
    busy_us: list[float]
    num_recorded: list[int]

    def mean_recorded_us(self, operator: int) -> float:
        """Mean executor time per recorded work order of an operator, µs."""
        return self.busy_us[operator] / self.num_recorded[operator]


def believed(mean_recorded_us: Sequence[float], num_recorded: Sequence[int]) -> PlanHistory:
    """What somebody knows of a plan before it runs, as completed runs.

    They count for few, so that real ones, which are added to them, soon count for more.

    Args:
        mean_recorded_us: per operator, executor time per recorded work order, µs.
        num_recorded: per operator, recorded work orders of one run.
    """
    counts = [RUNS_BELIEVED * count for count in num_recorded]
    busy_us = [mean_us * count for mean_us, count in zip(mean_recorded_us, counts, strict=True)]
    return PlanHistory(RUNS_BELIEVED, busy_us, counts)


@dataclass(slots=True)
class History:
    """Completed runs by plan and by template. Pass one run's to the next to start with experience.

    Attributes:
        plans: by the plan's name, and for queries of a template also by (plan, template).
        is_enabled: whether schedulers see it.
        observed_work_us, estimated_work_us: of all completed queries.
    """

    plans: dict[str | tuple[str, str], PlanHistory] = field(default_factory=dict)
    is_enabled: bool = True
    observed_work_us: float = 0.0
    estimated_work_us: float = 0.0

    def of(self, plan: str, template: str = "") -> PlanHistory | None:
        """Completed runs of a template, else of its plan; None if there are none or it is off."""
        if not self.is_enabled:
            return None
        known = self.plans.get((plan, template)) if template else None
        return known or self.plans.get(plan)

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
        num_recorded: Sequence[int],
        estimated_work_us: float,
        template: str = "",
    ) -> None:
        """Add a completed run."""
        if not self.is_enabled:
            return
        keys: tuple[str | tuple[str, str], ...] = (plan, (plan, template)) if template else (plan,)
        for key in keys:
            known = self.plans.get(key)
            if known is None:
                self.plans[key] = PlanHistory(1, list(busy_us), list(num_recorded))
                continue
            known.num_completed += 1
            for operator, (busy, count) in enumerate(zip(busy_us, num_recorded, strict=True)):
                known.busy_us[operator] += busy
                known.num_recorded[operator] += count
        self.observed_work_us += ordered_sum(busy_us)
        self.estimated_work_us += estimated_work_us

    def check(self, num_operators: Mapping[str, int]) -> None:
        """Raise ValueError where a plan never completed, or has other operators than it should.

        ``num_operators``: how many, by the plan's name.
        """
        for key, known in self.plans.items():
            name = key if isinstance(key, str) else key[0]
            if known.num_completed < 1:
                raise ValueError(
                    f"the history of plan {name!r} has {known.num_completed} completed runs, "
                    "expected 1 or more"
                )
            if name in num_operators and len(known.busy_us) != num_operators[name]:
                raise ValueError(
                    f"the history of plan {name!r} has {len(known.busy_us)} operators, the trace's "
                    f"plan {num_operators[name]}; is it the history of another trace?"
                )

    def copy(self) -> History:
        """An independent copy."""
        plans = {
            name: PlanHistory(p.num_completed, list(p.busy_us), list(p.num_recorded))
            for name, p in self.plans.items()
        }
        return History(plans, self.is_enabled, self.observed_work_us, self.estimated_work_us)
