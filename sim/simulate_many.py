"""Run many simulations under a scheduler, from start to end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sim.ask import ask_many, is_asked_for_many
from sim.cluster import Cluster, preset
from sim.engines import EngineMaker, EngineName, engine_name
from sim.experience import StartHistory, brought_by
from sim.registry import Scheduler, make_scheduler, registered_name, scheduler_name
from sim.result import Result
from sim.simulate import simulate
from sim.simulations import Simulations, paired_with_seeds
from traces import Trace, TraceStream


def simulate_many(
    traces: Trace | TraceStream | Sequence[Trace | TraceStream],
    scheduler: str | Scheduler | type[Scheduler],
    *,
    cluster: Cluster | str | None = None,
    seeds: Sequence[int] = (0,),
    history: StartHistory = True,
    record_events: bool = False,
    keep_records: bool = True,
    engine: EngineName | None = None,
) -> list[Result]:
    """Replay traces on ``cluster`` under ``scheduler``, once per seed.

    The results are those of ``simulate``, one by one. A scheduler with a method ``decide_many`` is
    asked for all of them at once, if the engine is the fast one; its ``decide`` must answer alike.
    Other runs follow each other.

    Args:
        traces: what to run: one for all, or one for each seed.
        scheduler: a name with parameters, an object, or a class. Named ones and those of a class
            are made for each run with its seed, those with ``decide_many`` once, with the first
            seed.
        cluster: a cluster or a preset's name; default: one node, 8 executors, no overheads.
        seeds: one for each run.
        history: completed runs for each to start with; True starts with none, False hides history.
        record_events: whether to keep the event logs.
        keep_records: whether the results have one record per query.
        engine: see ``Simulation``; the results are the same.

    Raises:
        InvalidSchedule, Stalled, UnknownScheduler, SchedulerError: see ``simulate``.
        ValueError: there are no seeds, or not as many traces as seeds.
    """
    if isinstance(scheduler, type):
        scheduler = registered_name(scheduler)
    paired = paired_with_seeds(traces, seeds)
    cluster = preset(cluster) if isinstance(cluster, str) else cluster or Cluster()
    maker: EngineName | EngineMaker = engine_name(engine)
    if maker == "fast":
        policy = (
            make_scheduler(scheduler, seed=paired[0][1])
            if isinstance(scheduler, str)
            else scheduler
        )
        if is_asked_for_many(policy):
            batch = Simulations(
                traces,
                cluster,
                seeds,
                history=brought_by(policy, history),
                record_events=record_events,
                keep_records=keep_records,
            )
            return ask_many(batch, policy, scheduler_name(scheduler))
        maker = _sharing(cluster)
    return [
        simulate(
            trace,
            scheduler,
            cluster=cluster,
            seed=seed,
            history=history,
            record_events=record_events,
            keep_records=keep_records,
            engine=maker,
        )
        for trace, seed in paired
    ]


def _sharing(cluster: Cluster) -> EngineMaker:
    """What makes fast engines that prepare the plans of their traces once."""
    from sim.fast_engine.engine import FastEngine  # numba is optional
    from sim.fast_engine.shared import Shared

    return partial(FastEngine, shared=Shared(cluster))
