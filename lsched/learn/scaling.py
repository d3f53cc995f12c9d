"""Features in standard units, whatever their size and spread on a workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lsched.learn.config import PolicyConfig
from lsched.learn.features import TABLES
from lsched.learn.observation import observe
from lsched.learn.shapes import NUM_SCALES
from lsched.learn.workload import Case
from sim import Simulations, make_scheduler
from sim.experience import StartHistory
from traces.split import SEEDS

Moments = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Mean and standard deviation of each feature, by group: operators, queries, simulations."""
LEAST_SD = 0.05
"""Of a feature that hardly ever changes: it must not be blown up."""
EVERY, MOST_EVENTS = 7, 4000
"""Which scheduling events of a run are looked at, and after how many it is left."""


def moments_of(
    cases: Sequence[Case], policy: PolicyConfig, history: StartHistory = True
) -> Moments:
    """How features are distributed while the policy's rule decides, in a run of each case.

    Args:
        cases: all.
        policy: its parts.
        history: what runs begin with.

    Shapes:
        of a group of F features: (F,) and (F,).
    """
    rule = make_scheduler(policy.reference)
    seen: dict[str, list[np.ndarray]] = {group: [] for group in TABLES}
    seed = SEEDS["training"][0]
    for case in cases:
        run, event = case.run_of(seed), 0
        batch = Simulations(run, case.cluster, [seed], history=history)
        while event < MOST_EVENTS and (view := batch.next_events()) is not None:
            if event % EVERY == 0:
                observation = observe(view, policy.observed)
                for group in TABLES:
                    seen[group].append(getattr(observation, group))
            batch.apply(view.advice(rule))
            event += 1
    found = {group: np.concatenate(rows).astype(np.float64) for group, rows in seen.items()}
    return {
        group: (rows.mean(axis=0), np.maximum(rows.std(axis=0), LEAST_SD))
        for group, rows in found.items()
    }


def standardised(weights: np.ndarray, moments: Moments) -> np.ndarray:
    """The weights, with what makes of each feature (feature − mean) ÷ deviation.

    Shapes:
        weights: (weights,), as ``maps.flattened`` orders them; returned likewise.
    """
    means = [mean for mean, _ in moments.values()]
    factors = [1.0 / deviation for _, deviation in moments.values()]
    return np.concatenate([*means, *factors, weights[NUM_SCALES:]])
