"""What is believed about the times of work orders, by operator of a plan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.cluster import Cluster
from sim.fast_engine.tables import plan_tables
from sim.workload import CompiledPlan
from traces import Trace

OF_OPERATOR, OF_WORK_ORDER = 0.2, 0.3
"""Standard deviations of the logarithm of a time that is estimated: of an operator's mean, and of
its work orders. Measured in no engine: about what parameters do (R10)."""
LEAST_US, MOST_US = 1.0, 2.0**53


class Beliefs:
    """Times of the work orders of a trace's plans, as they were seen or are estimated.

    Args:
        plans: of the trace, in order.
        plan_operators: their operators, as in ``layout.World``.
        cluster: what they run on.
        seen: plans with the times of work orders that somebody has seen, found by name; of others
            there are only estimates.

    Attributes:
        plan_operators, waves, wave_times: as in ``layout.World``, with the profiles that were seen.

    Raises:
        ValueError: a plan that was seen has other operators than the trace's.
    """

    def __init__(
        self,
        plans: Sequence[CompiledPlan],
        plan_operators: np.ndarray,
        cluster: Cluster,
        seen: Trace | None = None,
    ) -> None:
        known = {} if seen is None else {plan.name: plan for plan in seen.plans}
        for plan in plans:
            other = known.get(plan.name)
            if other is not None and len(other.operators) != plan.num_operators:
                raise ValueError(
                    f"plan {plan.name} has {plan.num_operators} operators, and "
                    f"{len(other.operators)} where its times were seen"
                )
        believed = plan_tables(
            [CompiledPlan(known.get(plan.name, plan.plan), cluster) for plan in plans], cluster
        )
        is_seen = np.repeat(
            [plan.name in known for plan in plans], [plan.num_operators for plan in plans]
        )
        self.plan_operators = plan_operators.copy()
        for name in ("has_waves", "has_fresh", "first_wave", "num_waves"):
            self.plan_operators[name] = np.where(is_seen, believed.plan_operators[name], 0)
        self.waves, self.wave_times = believed.waves, believed.wave_times
        self._is_seen, self._times = is_seen, believed.times.astype(np.float64)
        self._first = believed.plan_operators["first_time"]
        self._count = believed.plan_operators["num_times"]

    def draw(
        self,
        plan_operators: np.ndarray,
        expected_us: np.ndarray,
        factors: np.ndarray,
        counts: np.ndarray,
        generator: np.random.Generator,
    ) -> np.ndarray:
        """Base times of the work orders of some operators, operator by operator.

        Args:
            plan_operators: which they are.
            expected_us: of one work order, where nobody has seen any.
            factors: recorded work orders in one.
            counts: of work orders.
            generator: of the luck.

        Shapes:
            all: (operators,); returns (sum of ``counts``,), µs.
        """
        of = np.repeat(np.arange(len(counts)), counts)
        uniform, normal = generator.random(len(of)), generator.standard_normal(len(of))
        means_us = expected_us * np.exp(OF_OPERATOR * generator.standard_normal(len(counts)))
        guessed_us = means_us[of] * np.exp(OF_WORK_ORDER * normal)
        at = self._first[plan_operators][of] + np.int64(uniform * self._count[plan_operators][of])
        seen_us = self._times[at] * factors[of]
        times_us = np.where(self._is_seen[plan_operators][of], seen_us, guessed_us)
        return np.clip(np.rint(times_us), LEAST_US, MOST_US).astype(np.int64)
