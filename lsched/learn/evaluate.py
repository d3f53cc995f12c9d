"""What policies cost on a case: many policies and seeds at once, in this process or in others."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from lsched.learn.config import PolicyConfig
from lsched.learn.inference.decider import Decider, make_ready
from lsched.learn.workload import Case, Objective, cost_of
from sim import simulate_many
from traces import Trace


@dataclass(frozen=True)
class Setting:
    """What does not change during a training.

    Attributes:
        cases: what it is on.
        policy: parts of all policies.
        objective: what runs cost.
    """

    cases: tuple[Case, ...]
    policy: PolicyConfig
    objective: Objective


@dataclass(frozen=True)
class Outcome:
    """Of some policies on one case.

    Attributes:
        costs: by policy and seed.
        num_decisions: scheduling events of all runs.

    Shapes:
        costs: (policies, seeds)
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
        self, weights: np.ndarray, seeds: np.ndarray, cases: Sequence[int], share: float = 1.0
    ) -> list[Outcome]:
        """Costs of policies on each of some cases, by their places in the setting.

        Shapes:
            weights: (policies, weights), float32, see ``maps.flattened``.
            seeds: (policies, seeds of each).
        """
        if len(weights) == 1:  # a validation
            return self._of_one(weights, seeds, cases, share)
        num_parts = min(self._num_parts(len(cases)), len(weights))
        tasks = [
            _Task(case, part, own, share)
            for case in cases
            for part, own in zip(
                np.array_split(weights, num_parts), np.array_split(seeds, num_parts), strict=True
            )
        ]
        return self._joined(tasks, cases, 0)

    def of_rule(self, seeds: Sequence[int]) -> list[Outcome]:
        """Costs of the rule that is corrected, one row, on each case."""
        return self._of_one(None, np.array([seeds]), range(len(self.setting.cases)), 1.0)

    def _of_one(
        self, weights: np.ndarray | None, seeds: np.ndarray, cases: Sequence[int], share: float
    ) -> list[Outcome]:
        """Costs of one policy, or of the rule, whose seeds the processes share out."""
        num_parts = min(self._num_parts(len(cases)), seeds.shape[1])
        tasks = [
            _Task(case, weights, part, share)
            for case in cases
            for part in np.array_split(seeds, num_parts, axis=1)
        ]
        return self._joined(tasks, cases, 1)

    def _num_parts(self, num_cases: int) -> int:
        """Parts of a case, so that all processes have something to do."""
        return 1 if self._workers == 1 else math.ceil(2 * self._workers / num_cases)

    def _joined(self, tasks: Sequence[_Task], cases: Sequence[int], axis: int) -> list[Outcome]:
        outcomes = list(map(_run, tasks) if self._pool is None else self._pool.map(_run, tasks))
        return [
            Outcome(
                np.concatenate(
                    [
                        outcome.costs
                        for task, outcome in zip(tasks, outcomes, strict=True)
                        if task.case == case
                    ],
                    axis=axis,
                ),
                sum(
                    outcome.num_decisions
                    for task, outcome in zip(tasks, outcomes, strict=True)
                    if task.case == case
                ),
            )
            for case in cases
        ]


_setting: Setting | None = None
"""In a worker process, and in this one where there are none."""


def _begin(setting: Setting) -> None:
    global _setting
    _setting = setting


def _run(task: _Task) -> Outcome:
    assert _setting is not None
    case = _setting.cases[task.case]
    seeds: list[int] = task.seeds.ravel().tolist()
    drawn = {seed: case.run_of(seed, task.share) for seed in set(seeds)}
    runs: list[Trace] = [drawn[seed] for seed in seeds]
    scheduler: str | Decider = _setting.policy.rule
    if task.weights is not None:
        members = np.repeat(np.arange(len(task.weights)), task.seeds.shape[1])
        scheduler = Decider(_setting.policy, task.weights, members)
    results = simulate_many(runs, scheduler, cluster=case.cluster, seeds=seeds)
    costs = np.array([cost_of(result, _setting.objective) for result in results])
    num_decisions = sum(result.num_schedules for result in results)
    return Outcome(costs.reshape(task.seeds.shape), num_decisions)
