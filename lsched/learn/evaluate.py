"""What policies cost on a case: many policies and seeds at once, in this process or in others."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np

from lsched.learn.config import PolicyConfig
from lsched.learn.costs.experience import Experience
from lsched.learn.costs.network import Weights
from lsched.learn.inference.decider import Decider, make_ready
from lsched.learn.workload import Case, Objective, cost_of
from sim import simulate_many
from sim.experience import StartHistory
from traces import Trace

RUNS_AT_ONCE = 32
"""Side by side, in one process: more are hardly faster, and take more memory."""


@dataclass(frozen=True)
class Setting:
    """What does not change during a training.

    Attributes:
        cases: what it is on.
        policy: parts of all policies.
        objective: what runs cost.
        costs: weights of all policies' cost network, if they have one.
    """

    cases: tuple[Case, ...]
    policy: PolicyConfig
    objective: Objective
    costs: Weights = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Of some policies.

    Attributes:
        costs: of the runs of each policy.
        num_decisions: scheduling events of all runs.

    Shapes:
        costs: (policies, cases of each, seeds of each); of one case: (policies, seeds of each).
    """

    costs: np.ndarray
    num_decisions: int


@dataclass(frozen=True)
class _Task:
    """Runs of one case: ``seeds`` by policy; of the rule where there are no weights."""

    case: int
    weights: np.ndarray | None
    seeds: np.ndarray
    share: float


class Evaluator:
    """Runs policies. Results do not depend on how many processes there are.

    Args:
        setting: what does not change.
        workers: processes; 1: this one.
    """

    def __init__(self, setting: Setting, workers: int = 1) -> None:
        self.setting, self._workers = setting, workers
        self._pool: ProcessPoolExecutor | None = None
        if workers > 1:
            make_ready()
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(workers, context, _begin, (setting,))
        else:
            _begin(setting)

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=error is None, cancel_futures=True)

    def of_policies(
        self, weights: np.ndarray | None, seeds: np.ndarray, cases: np.ndarray, share: float = 1.0
    ) -> Outcome:
        """Costs of policies, each on its own cases and seeds.

        Args:
            weights: see ``maps.flattened``; none: all are what the policy is compared with.
            seeds: of each policy, for all of its cases.
            cases: of each policy, by their places in the setting.
            share: of the queries of a run.

        Shapes:
            weights: (policies, weights), float32; seeds: (policies, seeds of each);
            cases: (policies, cases of each).
        """
        tasks, targets = [], []
        for case in np.unique(cases):
            policies, places = np.nonzero(cases == case)
            # Policies of a pair one after the other: they have the same queries.
            order = np.argsort(seeds[policies, 0], kind="stable")
            num_parts = max(
                self._num_tasks * len(policies) / cases.size,
                len(policies) * seeds.shape[1] / RUNS_AT_ONCE,
            )
            for part in np.array_split(order, min(math.ceil(num_parts), len(policies))):
                own = policies[part]
                its_weights = None if weights is None else weights[own]
                tasks.append(_Task(int(case), its_weights, seeds[own], share))
                targets.append((own, places[part]))
        outcomes = list(map(_run, tasks) if self._pool is None else self._pool.map(_run, tasks))
        costs = np.empty((*cases.shape, seeds.shape[1]))
        for target, outcome in zip(targets, outcomes, strict=True):
            costs[target] = outcome.costs
        return Outcome(costs, sum(outcome.num_decisions for outcome in outcomes))

    def of_one(self, weights: np.ndarray | None, seeds: Sequence[int]) -> np.ndarray:
        """Costs of one policy, or of what it is compared with, on all cases.

        Shapes:
            weights: (weights,), float32; returns (cases, seeds).
        """
        # So many policies that are the same: their runs are shared out among processes.
        copies = None if weights is None else np.repeat(weights[None], len(seeds), axis=0)
        cases = np.tile(np.arange(len(self.setting.cases)), (len(seeds), 1))
        return self.of_policies(copies, np.array(seeds)[:, None], cases).costs[:, :, 0].T

    @property
    def _num_tasks(self) -> int:
        """So that all processes have something to do, and do not wait long for the last."""
        return 1 if self._workers == 1 else 2 * self._workers


_setting: Setting | None = None
"""In a worker process, and in this one where there are none."""
_experience: StartHistory = True
"""What policies begin with."""


def _begin(setting: Setting) -> None:
    global _setting, _experience
    _setting = setting
    _experience = Experience(setting.costs) if setting.costs else True


def _run(task: _Task) -> Outcome:
    assert _setting is not None
    case = _setting.cases[task.case]
    seeds: list[int] = task.seeds.ravel().tolist()
    drawn = {seed: case.run_of(seed, task.share) for seed in set(seeds)}
    runs: list[Trace] = [drawn[seed] for seed in seeds]
    scheduler: str | Decider = _setting.policy.reference
    history: StartHistory = True
    if task.weights is not None:
        history = _experience
        members = np.repeat(np.arange(len(task.weights)), task.seeds.shape[1])
        scheduler = Decider(_setting.policy, task.weights, members)
    results = simulate_many(runs, scheduler, cluster=case.cluster, seeds=seeds, history=history)
    costs = np.array([cost_of(result, _setting.objective) for result in results])
    num_decisions = sum(result.num_schedules for result in results)
    return Outcome(costs.reshape(task.seeds.shape), num_decisions)
