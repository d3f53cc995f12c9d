"""The Gymnasium environment: one scheduler's decisions, allocation by allocation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import InvalidAction, ResetNeeded

import traces
from lsched.arrivals import Arrivals
from lsched.errors import OptionError
from lsched.gym.decision import Decision, Entry
from lsched.gym.observation import Observation, Sizes, empty, observation_space
from lsched.gym.render import picture, text
from lsched.gym.run import Run, make_run
from lsched.specs import parse_cluster
from sim import BatchSchedule, Cluster, InvalidSchedule, QueryRecord, Result, Simulation
from sim.engines import EngineName, engine_name
from sim.workload import CompiledPlan
from traces import Plan, Trace
from traces.errors import did_you_mean
from traces.split import SEEDS
from traces.units import US_PER_S

Info = dict[str, Any]

NOTHING = BatchSchedule([], [], [])


class QueryScheduling(gymnasium.Env[Observation, np.ndarray]):
    """Decide which operators of which queries run, on how many executors, in which pipelines.

    At each scheduling event an agent puts together a schedule (R5), one allocation a step. An
    action is ``(operator, num_executors, pipeline_degree)``: the operator's row in the
    observation, and the other two as in ``sim.Allocation``. The row ``max_operators`` stands for
    no operator: it ends the schedule, which then stands until the next scheduling event. It also
    ends when nothing more can be listed. Events at which nothing can be are passed over.

    The reward is −(seconds × queries in the system) since the step before, so that the sum of an
    episode is −(sum of latencies). Episodes end when all queries have completed.

    Args:
        trace: a shipped trace's name, a file, or a trace.
        cluster: as ``--cluster`` takes it (``inmemory-32:memory_bytes=4e9``), or a cluster.
        max_operators: rows of operators; there are twice as many of edges.
        max_queries: rows of queries. Those for which there is no room wait, the last to arrive.
        is_strict: whether an action that the mask excludes raises ``InvalidSchedule``. Else it is
            refused: nothing happens, and ``info["refused"]`` says why.
        engine: see ``sim.Simulation``.
        render_mode: ``rgb_array``: what executors did so far; ``ansi``: the state in words.
        arrivals: attributes of ``lsched.Arrivals``: ``load=0.7, num_queries=50``.

    Raises:
        ValueError: an argument is not what it must be; OptionError, TraceError or ClusterError.

    Attributes:
        trace, cluster, arrivals: what episodes are drawn from.
        end_row: the row that ends a schedule, ``max_operators``.
        max_degree: operators of the longest pipeline that a plan of the trace can have.
        decision: the schedule under construction; None when the episode has ended.
    """

    metadata = {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}  # noqa: RUF012, as in Env

    def __init__(
        self,
        trace: str | Path | Trace = "tpch",
        cluster: str | Cluster = "inmemory-32",
        *,
        max_operators: int = 256,
        max_queries: int = 32,
        is_strict: bool = False,
        engine: EngineName | None = None,
        render_mode: str | None = None,
        **arrivals: Any,
    ) -> None:
        self.arrivals = _arrivals(arrivals)
        self.trace = trace if isinstance(trace, Trace) else traces.load(trace)
        self.cluster = cluster if isinstance(cluster, Cluster) else parse_cluster(cluster)
        self._sizes = _sizes(self.trace, max_operators, max_queries)
        self.render_mode = _render_mode(render_mode, self.metadata["render_modes"])
        self._is_strict, self._engine = is_strict, engine_name(engine)
        num_executors = self.cluster.num_executors
        self.observation_space = observation_space(self._sizes, num_executors)
        self.end_row = max_operators
        self.max_degree = max(_longest_pipeline(plan, self.cluster) for plan in self.trace.plans)
        self.action_space = spaces.MultiDiscrete(
            [self.end_row + 1, num_executors, self.max_degree], start=[0, 1, 1]
        )
        self.decision: Decision | None = None
        self._run: Run | None = None
        self._completed_us = self._charged_us = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Begin an episode.

        Args:
            seed: of arrivals and of the luck of work orders, as ``lsched compare --seeds`` has it.
                Without one, one of the seeds for training is drawn (``traces.split.SEEDS``).
            options: there are none.

        Raises:
            OptionError: there are options, or there is no room for a query.
            TraceError: the trace has no such part, or cannot be scaled so.
        """
        super().reset(seed=seed)
        if options:
            raise OptionError(f"reset has no options, {', '.join(map(str, options))} was given")
        if seed is None:
            seed = int(self.np_random.choice(SEEDS["training"]))
        self._completed_us = self._charged_us = 0
        self._run = make_run(
            self.arrivals.of(self.trace, self.cluster, seed),
            self.cluster,
            seed,
            self._complete,
            record_events=self.render_mode == "rgb_array",
            engine=self._engine,
        )
        self._advance(self._run)
        return self._observation(), {**self._info(), "seed": seed}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, Info]:
        """Append an allocation to the schedule, or end it.

        Raises:
            InvalidAction: the action is not in the action space.
            InvalidSchedule: the mask excludes it, with ``is_strict``; nothing has changed.
            ResetNeeded: the episode has ended, or not begun.
        """
        if self._run is None or self.decision is None:
            raise ResetNeeded("step() without an episode: call reset() first")
        if action not in self.action_space:
            raise InvalidAction(f"action is {action!r}, expected one of {self.action_space}")
        row, num_executors, degree = map(int, action)
        is_end = row == self.end_row
        try:
            if is_end:
                self.decision.check_end()
            else:
                self.decision.add(Entry(row, num_executors, degree))
        except InvalidSchedule as error:
            if self._is_strict:
                raise
            return self._observation(), 0.0, False, False, {**self._info(), "refused": str(error)}
        if is_end or not self.decision.can_add.any():
            self._run.apply(self.decision.schedule)
            self._advance(self._run)
        return self._observation(), self._reward(), self.decision is None, False, self._info()

    def render(self) -> Any:
        """A picture, shape (height, width, 3), or a text, as ``render_mode`` says.

        Raises:
            ResetNeeded: no episode has begun.
        """
        if self.render_mode == "rgb_array":
            return picture(self.simulation)
        return text(self.simulation, self.decision) if self.render_mode == "ansi" else None

    @property
    def simulation(self) -> Simulation:
        """What runs, to look at: ``view`` is what a rule would be asked with now.

        Raises:
            ResetNeeded: no episode has begun.
        """
        if self._run is None:
            raise ResetNeeded("no episode has begun: call reset() first")
        return self._run.simulation

    def result(self, scheduler: str = "agent") -> Result:
        """What the episode has left so far, as ``sim.simulate`` gives it.

        Args:
            scheduler: a name for tables.

        Raises:
            ResetNeeded: no episode has begun.
        """
        return self.simulation.result(scheduler)

    def action_masks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which values of each part of an action are allowed; any of one go with any of others.

        When the episode has ended, only the end of the schedule is.
        """
        rows = np.zeros(self.end_row + 1, np.int8)
        rows[self.end_row] = self.decision is None or self.decision.can_end
        if self.decision is not None:
            rows[: self.end_row] = self.decision.can_add
        limits = np.ones(self.cluster.num_executors, np.int8)
        return rows, limits, np.ones(self.max_degree, np.int8)

    def _advance(self, run: Run) -> None:
        """Go on to the next event at which there is a choice, or to the end."""
        self.decision = None
        while self.decision is None and (view := run.next_view()) is not None:
            decision = Decision(view, run.simulation.view, self._sizes)
            if decision.can_add.any():
                self.decision = decision
            else:
                run.apply(NOTHING)

    def _complete(self, record: QueryRecord) -> None:
        self._completed_us += round(record.latency_s * US_PER_S)

    def _reward(self) -> float:
        """−(seconds × queries in the system) since it was asked last."""
        ages_us = sum(query.age_us for query in self.simulation.view.queries)
        waited_us = self._completed_us + ages_us
        reward = (self._charged_us - waited_us) / US_PER_S
        self._charged_us = waited_us
        return reward

    def _observation(self) -> Observation:
        return empty(self._sizes) if self.decision is None else self.decision.observation

    def _info(self) -> Info:
        info: Info = {
            "action_mask": self.action_masks(),
            "time_s": self.simulation.now_us / US_PER_S,
        }
        if self.decision is None:
            info["mean_latency_s"] = self.result().summary()["mean_latency_s"]
        return info


def _arrivals(options: Mapping[str, Any]) -> Arrivals:
    known = [field.name for field in fields(Arrivals)]
    for name in options:
        if name not in known:
            own = ("trace", "cluster", "max_operators", "max_queries", "is_strict", "engine")
            raise OptionError(
                f"no option {name!r}{did_you_mean(name, (*own, *known))}; there are: "
                f"{', '.join((*own, 'render_mode', *known))}"
            )
    return Arrivals(**options)


def _sizes(trace: Trace, max_operators: int, max_queries: int) -> Sizes:
    for name, value in (("max_operators", max_operators), ("max_queries", max_queries)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000:
            raise OptionError(f"{name} is {value!r}, expected a whole number from 1 to 1,000,000")
    sizes = Sizes(max_operators, max_queries, 2 * max_operators)
    for plan in trace.plans:
        if len(plan.operators) > sizes.operators or len(plan.edges) > sizes.edges:
            raise OptionError(
                f"max_operators is {max_operators}, but plan {plan.name!r} has "
                f"{len(plan.operators)} operators and {len(plan.edges)} edges; expected at least "
                "as many as a plan has operators, and half as many as it has edges"
            )
    return sizes


def _render_mode(name: str | None, known: list[str]) -> str | None:
    if name is not None and name not in known:
        hint = did_you_mean(name, known)
        raise OptionError(f"render_mode is {name!r}, expected {' or '.join(known)}{hint}")
    return name


def _longest_pipeline(plan: Plan, cluster: Cluster) -> int:
    """Operators of the longest pipeline that a plan can have."""
    compiled = CompiledPlan(plan, cluster)
    lengths = [1] * compiled.num_operators
    for operator in reversed(compiled.topological_order):
        if (following := compiled.pipeline_next[operator]) >= 0:
            lengths[operator] += lengths[following]
    return max(lengths)
