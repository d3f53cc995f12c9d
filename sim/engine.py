"""What an engine is: it runs a trace to the next scheduling event, and shows its state.

There are two, with the same event logs: ``sim.simpy_engine``, the reference, and
``sim.fast_engine``, compiled. ``Simulation`` is the way to use either.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from sim.active import ActiveQuery
from sim.cluster import Cluster
from sim.events import Event
from sim.history import History
from sim.names import Indices
from sim.result import QueryRecord
from sim.schedule import Answer, Entry
from sim.workload import CompiledPlan

if TYPE_CHECKING:
    from sim.outcomes import Outcomes
    from sim.query_view import QueryView
    from sim.schedulers.compiled_rule import CompiledRule
    from traces import Trace

OnRecord = Callable[[QueryRecord], object]


class Columns(Protocol):
    """State of the queries in the system: columns by operator slot and by query slot.

    Operator columns (a pipeline is identified by its root's slot):
        num_tasks, next_task, num_done: tasks of the pipeline that the operator is the root of; a
            task runs one work order of the root and its share of the other members'.
        busy_us: executor time of completed tasks.
        is_ready: 1 while the operator may be an execution root (R4), unclaimed tasks provided.
        is_complete: 1 once all work orders are done.
        root: slot of its pipeline's root; -1 before the pipeline has started.
        missing_producers: how many are not complete.
    Query columns:
        num_held: executors that work for the query.
        num_local_free: free executors local to it.
        start_us: when its first task started, -1 before that.
    """

    num_tasks: list[int]
    next_task: list[int]
    num_done: list[int]
    busy_us: list[int]
    is_ready: list[int]
    is_complete: list[int]
    root: list[int]
    missing_producers: list[int]
    num_held: list[int]
    num_local_free: list[int]
    start_us: list[int]


class Engine(ABC):
    """A simulation under way.

    Attributes:
        cluster, history: of the run; completed queries are added to the history.
        plans: of the trace, by name.
        events: the log, None unless it is recorded.
        query_views: of the queries in the system, in order of arrival.
        now_us: the current instant.
        num_schedules: scheduling events so far.
        executor_time_us: executor time that there was from the first arrival to the last
            completion so far.
    """

    cluster: Cluster
    plans: Mapping[str, CompiledPlan]
    history: History
    events: list[Event] | None
    query_views: dict[ActiveQuery, QueryView]
    now_us: int
    num_schedules: int
    executor_time_us: int

    @cached_property
    def indices(self) -> Indices:
        """Plans, tenants and classes by number."""
        return Indices(self.plans)

    @property
    @abstractmethod
    def state(self) -> Columns:
        """Columns of the queries in the system."""

    @property
    @abstractmethod
    def num_executors(self) -> int:
        """Executors that are there now (R13)."""

    @property
    @abstractmethod
    def peak_memory_bytes(self) -> int:
        """Most memory held so far, on all nodes; 0 without a memory budget."""

    @property
    @abstractmethod
    def num_executors_on(self) -> list[int]:
        """Executors that are there now, per node."""

    @property
    @abstractmethod
    def num_free(self) -> int:
        """Executors that run nothing."""

    @property
    @abstractmethod
    def memory_used_bytes(self) -> list[int]:
        """Bytes of states and cut outputs held per node; zeros without a memory budget."""

    @abstractmethod
    def advance(self) -> bool:
        """Run to the next scheduling event; False when every query has completed.

        Raises:
            Stalled: queries are left that nothing will ever run.
        """

    @abstractmethod
    def set_schedule(
        self, entries: Sequence[Entry], holds: dict[int, int], until_us: int | None
    ) -> None:
        """Answer the scheduling event with a legal schedule.

        Args:
            entries: the allocations in order.
            holds: executors to keep, by query slot.
            until_us: when to ask again at the latest.
        """

    def run_with(self, rule: CompiledRule) -> float | None:
        """Run to the end under a compiled rule; None if this engine cannot.

        Returns:
            Seconds that its decisions took.

        Raises:
            Stalled: queries are left that nothing will ever run.
        """
        return None

    def outcomes(
        self,
        answers: Sequence[Answer],
        rule: CompiledRule,
        seen: Trace | None,
        runs: int,
        seed: int,
    ) -> Outcomes | None:
        """What follows from answers to the scheduling event, as far as anyone can know.

        None if this engine cannot say; see ``sim.outcomes.outcomes``.
        """
        return None

    @abstractmethod
    def members(self, root: int) -> list[int]:
        """Operators of a started pipeline, by index in the plan, root first."""

    @abstractmethod
    def observed_share(self, root: int, operator: int) -> float:
        """Share of a pipeline's member in the base work of the tasks done so far.

        What a profiler would attribute to the operator. Tasks that are not done do not count: a
        scheduler must not learn from the future (R10).
        """

    @abstractmethod
    def held_bytes(self, slot: int) -> int:
        """Memory that an operator holds on all nodes; 0 without a memory budget."""

    @abstractmethod
    def unfinished_tasks(self, root: int) -> tuple[list[int], int]:
        """Tasks of a started pipeline that are not done: some, ascending, and all from a number on.

        The future: for clairvoyant schedulers only.
        """
