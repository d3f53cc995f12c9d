"""Running a scheduler with someone who looks over its shoulder, and may answer in its place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from sim import Allocation, Cluster, ClusterView, Result, Schedule, Simulation, make_scheduler
from sim.ask import ask_one
from sim.engine import OnRecord
from sim.engines import EngineName
from sim.experience import StartHistory, brought_by
from sim.registry import Scheduler
from traces import Trace

Watch = Callable[[ClusterView, Schedule], Schedule]
"""Called at each scheduling event with the view and the answer; what it returns is applied."""


class Watched:
    """A scheduler whose answers pass through a function.

    It is asked in Python, one event at a time. It passes on whether the scheduler is clairvoyant;
    what the scheduler's runs start with is up to who runs it.
    """

    def __init__(self, policy: Scheduler, watch: Watch) -> None:
        self.is_clairvoyant = bool(getattr(policy, "is_clairvoyant", False))
        self._policy = policy
        self._watch = watch

    def decide(self, view: ClusterView) -> Schedule:
        """Answer a scheduling event."""
        return self._watch(view, as_schedule(self._policy.decide(view)))


def as_schedule(answer: Schedule | Iterable[Allocation]) -> Schedule:
    """A plain list stands for a schedule without holds (R5)."""
    return answer if isinstance(answer, Schedule) else Schedule(list(answer))


def simulate_watched(
    trace: Trace,
    scheduler: str,
    watch: Watch,
    *,
    cluster: Cluster,
    seed: int = 0,
    history: StartHistory = True,
    engine: EngineName | None = None,
    record_events: bool = False,
    on_record: OnRecord | None = None,
) -> Result:
    """``sim.simulate``, with ``watch`` between the scheduler and the cluster.

    Raises:
        InvalidSchedule, Stalled, UnknownScheduler, SchedulerError: as ``sim.simulate``.
    """
    policy = make_scheduler(scheduler, seed=seed)
    simulation = Simulation(
        trace,
        cluster,
        seed,
        history=brought_by(policy, history),
        record_events=record_events,
        on_record=on_record,
        engine=engine,
    )
    started = time.perf_counter()
    schedule_s = ask_one(simulation, Watched(policy, watch), scheduler)
    return simulation.result(scheduler, schedule_s, time.perf_counter() - started)
