"""Run a trace under a scheduler, from start to end."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from sim.cluster import Cluster, preset
from sim.engine import OnRecord
from sim.engines import EngineMaker, EngineName
from sim.errors import InvalidSchedule, SchedulerError
from sim.history import History
from sim.registry import Scheduler, make_scheduler, scheduler_name
from sim.result import Result
from sim.simulation import Simulation
from sim.view import ClairvoyantView
from traces import Trace, TraceStream


def simulate(
    trace: Trace | TraceStream,
    scheduler: str | Scheduler,
    *,
    cluster: Cluster | str | None = None,
    seed: int = 0,
    history: History | bool = True,
    record_events: bool = False,
    on_record: OnRecord | None = None,
    keep_records: bool = True,
    engine: EngineName | EngineMaker | None = None,
) -> Result:
    """Replay ``trace`` on ``cluster`` under ``scheduler``.

    Args:
        trace: plans and queries. Those of a stream are taken as they arrive.
        scheduler: a name with parameters (``"srpt:size=history"``) or an object with ``decide``.
        cluster: a cluster or a preset's name; default: one node, 8 executors, no overheads.
        seed: for the luck of work orders, and for schedulers that draw.
        history: completed runs to start with; True starts with none, False hides history.
        record_events: whether to keep the event log.
        on_record: called with the record of each query as it completes.
        keep_records: whether the result has them. Without, and with a stream, memory is needed for
            the queries in the system, and eight bytes for each that has completed.
        engine: see ``Simulation``; the results are the same.

    Raises:
        InvalidSchedule, Stalled, UnknownScheduler: see there.
        SchedulerError: the scheduler raised an exception of its own.
    """
    name = scheduler_name(scheduler)
    policy = make_scheduler(scheduler, seed=seed) if isinstance(scheduler, str) else scheduler
    if isinstance(cluster, str):
        cluster = preset(cluster)
    simulation = Simulation(
        trace,
        cluster or Cluster(),
        seed,
        history=history,
        record_events=record_events,
        on_record=on_record,
        keep_records=keep_records,
        engine=engine,
    )
    started = time.perf_counter()
    schedule_s = simulation.run_compiled(policy)
    if schedule_s is None:
        schedule_s = _ask(simulation, policy, name)
    return simulation.result(name, schedule_s, time.perf_counter() - started)


def _ask(simulation: Simulation, policy: Scheduler, name: str) -> float:
    """Run to the end, asking ``policy`` at each scheduling event; the seconds that it took."""
    is_clairvoyant = getattr(policy, "is_clairvoyant", False)
    clairvoyant = ClairvoyantView(simulation.engine) if is_clairvoyant else None
    schedule_s = 0.0
    while (view := simulation.next_event()) is not None:
        before = time.perf_counter()
        try:
            schedule = policy.decide(clairvoyant or view)
            if isinstance(schedule, Iterator):
                schedule = list(schedule)  # a generator fails here, where it can be blamed
        except (Exception, SystemExit) as error:
            raise SchedulerError(blame(name, error)) from error
        schedule_s += time.perf_counter() - before
        try:
            simulation.apply(schedule)
        except InvalidSchedule as error:
            place = f"scheduler {name!r} at {simulation.now_us} µs"
            raise InvalidSchedule(f"{place}: {error}") from error
    return schedule_s


def blame(name: str, error: BaseException) -> str:
    """What a scheduler raised, and where."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return f"scheduler {name!r} raised {type(error).__name__}: {error} ({where})"
