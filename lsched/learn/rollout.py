"""Rollouts: a policy runs simulations side by side, and notes what it saw and did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lsched.learn.collate import Step
from lsched.learn.policy import Policy
from lsched.learn.returns import Course
from sim import BatchView, Cluster, Result, Simulations
from traces import Trace
from traces.units import US_PER_S


@dataclass(frozen=True)
class Kept:
    """A step to learn from.

    Attributes:
        step: of all simulations that awaited an answer.
        simulation: which they are.
        event: of each, how many events it had before.
    """

    step: Step
    simulation: np.ndarray
    event: np.ndarray


@dataclass(frozen=True)
class Rollout:
    """What some simulations did to their end.

    Attributes:
        courses: one per simulation.
        kept: some of the steps.
        results: of each simulation.
        num_decisions: scheduling events of all.
    """

    courses: list[Course]
    kept: list[Kept]
    results: list[Result]
    num_decisions: int


def roll_out(
    policy: Policy,
    traces: Sequence[Trace],
    cluster: Cluster,
    seeds: Sequence[int],
    keep: float = 0.0,
    generator: np.random.Generator | None = None,
) -> Rollout:
    """Run simulations to their ends.

    Args:
        policy: what decides.
        traces: one for each simulation.
        cluster: of all.
        seeds: of each.
        keep: probability to keep a step.
        generator: chooses which.
    """
    batch = Simulations(traces, cluster, seeds)
    times_us: list[list[int]] = [[] for _ in seeds]
    states: list[list[np.ndarray]] = [[] for _ in seeds]
    kept: list[Kept] = []
    while (view := batch.next_events()) is not None:
        situation = policy.situation(view)
        actions, schedule = policy.act(situation, view)
        which = np.array(view.simulations.simulation)
        if generator is not None and generator.random() < keep:
            step = Step(situation.observation, situation.choices, actions)
            kept.append(Kept(step, which, np.array([len(times_us[at]) for at in which])))
        state = state_of(view)
        for row, (at, now_us) in enumerate(
            zip(which.tolist(), view.simulations.now_us.tolist(), strict=True)
        ):
            times_us[at].append(now_us)
            states[at].append(state[row])
        batch.apply(schedule)
    results = batch.results("policy")
    courses = [
        _course(times, state, result)
        for times, state, result in zip(times_us, states, results, strict=True)
    ]
    return Rollout(courses, kept, results, sum(len(times) for times in times_us))


def state_of(view: BatchView) -> np.ndarray:
    """Numbers that say how much is left: queries, work, and what serving them by size would cost.

    The last is Σ over queries, least work first, of work × queries that wait for it: the sum of
    latencies under SRPT, were all executors one.

    Shapes:
        (simulations, 3)
    """
    owner = view.queries.simulation
    work_s = view.queries.history_remaining_us / US_PER_S
    num_queries = np.diff(view.query_offsets)
    order = np.lexsort((work_s, owner))
    waiting = view.query_offsets[1:][owner[order]] - np.arange(len(order))
    srpt = np.bincount(owner[order], work_s[order] * waiting, len(view))
    work = np.bincount(owner, work_s, len(view))
    return np.stack([num_queries, work, srpt], axis=1)


def _course(times_us: Sequence[int], states: Sequence[np.ndarray], result: Result) -> Course:
    end_s = max(record.completion_s for record in result.queries)
    time_s = np.append(np.array(times_us) / US_PER_S, end_s)
    state = np.array(states)
    return Course(time_s, state[:, 0], state)
