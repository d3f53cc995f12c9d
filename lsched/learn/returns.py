"""From what happened in rollouts to advantages: how much better than others each decision was.

By Little's law the sum of latencies is the integral of the number of queries in the system, so the
cost of a decision is that integral from then on, discounted in continuous time. All rollouts of a
group see the same arrivals and the same luck (R8), so what the others of its group cost from the
same instant on is a baseline that depends on the input but not on the actions (Mao et al., ICLR
2019, "Variance reduction for reinforcement learning in input-driven environments"). By then they
are in other states, because of what was decided before: a linear control variate in what is left
in their systems takes that out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RIDGE = 1e-3


@dataclass(frozen=True)
class Course:
    """The scheduling events of one rollout.

    Attributes:
        time_s: of each event, and last the end.
        cost: per second, from an event to the next.
        state: numbers that say how much is left in the system.

    Shapes:
        time_s: (events + 1,); cost: (events,); state: (events, variates).
    """

    time_s: np.ndarray
    cost: np.ndarray
    state: np.ndarray


def costs_to_go(course: Course, horizon_s: float) -> np.ndarray:
    """The discounted integral of the cost from each event on, and 0 at the end.

    Shapes:
        returns (events + 1,).
    """
    decay = np.exp(-np.diff(course.time_s) / horizon_s)
    now = course.cost * horizon_s * (1.0 - decay)
    result = np.zeros(len(course.time_s))
    for at in range(len(now) - 1, -1, -1):
        result[at] = now[at] + decay[at] * result[at + 1]
    return result


def _at(
    course: Course, to_go: np.ndarray, time_s: np.ndarray, horizon_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cost to go and state of a rollout at any times; before its first event, as at it."""
    place = np.clip(np.searchsorted(course.time_s, time_s, "right") - 1, 0, len(course.cost))
    is_over = place == len(course.cost)
    place = np.minimum(place, len(course.cost) - 1)
    left_s = np.maximum(course.time_s[place + 1] - time_s, 0.0)
    decay = np.exp(-left_s / horizon_s)
    cost = course.cost[place] * horizon_s * (1.0 - decay) + decay * to_go[place + 1]
    return np.where(is_over, 0.0, cost), np.where(is_over[:, None], 0.0, course.state[place])


def advantages(groups: Sequence[Sequence[Course]], horizon_s: float) -> list[list[np.ndarray]]:
    """Of each event of each rollout of each group: less cost than the baseline is positive.

    They have a standard deviation of 1 over all.

    Args:
        groups: rollouts with the same arrivals and luck, at least two each.
        horizon_s: time in which a cost's weight falls to 1 ÷ e.
    """
    less_cost, states = [], []
    for group in groups:
        to_go = [costs_to_go(course, horizon_s) for course in group]
        for own, course in enumerate(group):
            times_s = course.time_s[:-1]
            others = [
                _at(other, to_go[at], times_s, horizon_s)
                for at, other in enumerate(group)
                if at != own
            ]
            baseline = np.mean([cost for cost, _ in others], axis=0)
            usual = np.mean([state for _, state in others], axis=0)
            less_cost.append(baseline - to_go[own][:-1])
            states.append(usual - course.state)
    y, x = np.concatenate(less_cost), np.concatenate(states)
    scale = np.maximum(x.std(axis=0), 1e-12)
    x = x / scale
    weights = np.linalg.solve(x.T @ x + RIDGE * len(x) * np.eye(x.shape[1]), x.T @ y)
    y = y - x @ weights
    y = (y - y.mean()) / max(y.std(), 1e-12)
    ends = np.cumsum([len(part) for part in less_cost])[:-1]
    flat = iter(np.split(y, ends))
    return [[next(flat) for _ in group] for group in groups]
