"""Run a trace under a scheduler, from start to end."""

from __future__ import annotations

import time

from sim.ask import ask_many, ask_one, is_asked_for_many
from sim.cluster import Cluster, preset
from sim.engine import OnRecord
from sim.engines import EngineMaker, EngineName, engine_name
from sim.experience import StartHistory, brought_by
from sim.registry import Scheduler, make_scheduler, registered_name, scheduler_name
from sim.result import Result
from sim.simulation import Simulation
from sim.simulations import Simulations
from traces import Trace, TraceStream


def simulate(
    trace: Trace | TraceStream,
    scheduler: str | Scheduler | type[Scheduler],
    *,
    cluster: Cluster | str | None = None,
    seed: int = 0,
    history: StartHistory = True,
    record_events: bool = False,
    on_record: OnRecord | None = None,
    keep_records: bool = True,
    engine: EngineName | EngineMaker | None = None,
) -> Result:
    """Replay ``trace`` on ``cluster`` under ``scheduler``.

    One that also has ``decide_many`` is asked by it where the compiled engine runs: no object is
    made for a query or an operator then.

    Args:
        trace: plans and queries. Those of a stream are taken as they arrive.
        scheduler: a name with parameters (``"srpt:size=history"``), an object with ``decide``, or
            its class.
        cluster: a cluster or a preset's name; default: one node, 8 executors, no overheads.
        seed: for the luck of work orders, and for schedulers that draw.
        history: completed runs to start with; True starts with what the scheduler brings
            (``experience``), mostly none; False hides history.
        record_events: whether to keep the event log.
        on_record: called with the record of each query as it completes.
        keep_records: whether the result has them. Without, and with a stream, memory is needed for
            the queries in the system, and eight bytes for each that has completed.
        engine: see ``Simulation``; the results are the same.

    Raises:
        InvalidSchedule, Stalled, UnknownScheduler: see there.
        SchedulerError: the scheduler raised an exception of its own.
    """
    if isinstance(scheduler, type):
        scheduler = registered_name(scheduler)
    name = scheduler_name(scheduler)
    policy = make_scheduler(scheduler, seed=seed) if isinstance(scheduler, str) else scheduler
    history = brought_by(policy, history)
    if isinstance(cluster, str):
        cluster = preset(cluster)
    if not callable(engine) and engine_name(engine) == "fast" and is_asked_for_many(policy):
        batch = Simulations(
            [trace],
            cluster or Cluster(),
            [seed],
            history=history,
            record_events=record_events,
            on_record=on_record,
            keep_records=keep_records,
        )
        return ask_many(batch, policy, name)[0]
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
        schedule_s = ask_one(simulation, policy, name)
    return simulation.result(name, schedule_s, time.perf_counter() - started)
