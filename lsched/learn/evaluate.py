"""What policies cost on a case: many policies and seeds at once, in this process or in others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lsched.crew import Crew, JobError, executor_of
from lsched.errors import WorkerError
from lsched.executor import Death, Executor
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
        workers: processes, or an executor; 1: this process.
    """

    def __init__(self, setting: Setting, workers: int | Executor = 1) -> None:
        self.setting = setting
        history = Experience(setting.costs) if setting.costs else True
        self._crew: Crew[_Task, Outcome] = Crew(
            executor_of(workers), _run, (setting, history), prepare=_prepare
        )

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.__exit__()

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

        Raises:
            WorkerError: a worker process died, and died again when nothing else ran.
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
        outcomes = self._outcomes(tasks)
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

    def _outcomes(self, tasks: list[_Task]) -> list[Outcome]:
        try:
            results = self._crew.do_all(tasks)
        except JobError as failure:
            raise failure.error from None
        for result in results:
            if isinstance(result, Death):
                raise WorkerError(f"runs of the training are missing: {result.reason}")
        return [result for result in results if not isinstance(result, Death)]

    @property
    def _num_tasks(self) -> int:
        """So that all processes have something to do, and do not wait long for the last."""
        return 1 if self._crew.size == 1 else 2 * self._crew.size


def _prepare(_: object) -> None:
    make_ready()


def _run(shared: tuple[Setting, StartHistory], task: _Task) -> Outcome:
    setting, experience = shared
    case = setting.cases[task.case]
    seeds: list[int] = task.seeds.ravel().tolist()
    drawn = {seed: case.run_of(seed, task.share) for seed in set(seeds)}
    runs: list[Trace] = [drawn[seed] for seed in seeds]
    scheduler: str | Decider = setting.policy.reference
    history: StartHistory = True
    if task.weights is not None:
        history = experience
        members = np.repeat(np.arange(len(task.weights)), task.seeds.shape[1])
        scheduler = Decider(setting.policy, task.weights, members)
    # Whatever the environment says: the other engine would ask the first policy for all.
    results = simulate_many(
        runs, scheduler, cluster=case.cluster, seeds=seeds, history=history, engine="fast"
    )
    costs = np.array([cost_of(result, setting.objective) for result in results])
    num_decisions = sum(result.num_schedules for result in results)
    return Outcome(costs.reshape(task.seeds.shape), num_decisions)
