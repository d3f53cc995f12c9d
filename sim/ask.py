"""Running simulations to their end, asking a scheduler in Python at each scheduling event."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

from sim.errors import InvalidSchedule, SchedulerError
from sim.registry import BatchScheduler, Scheduler
from sim.result import Result
from sim.schedulers.compiled_rule import compiled_rule_of
from sim.simulation import Simulation
from sim.simulations import Simulations
from sim.view import ClairvoyantView


def is_asked_for_many(policy: object) -> TypeGuard[BatchScheduler]:
    """Whether a scheduler is asked by ``decide_many`` where the compiled engine runs."""
    return isinstance(policy, BatchScheduler) and compiled_rule_of(policy) is None


def ask_one(simulation: Simulation, policy: Scheduler, name: str) -> float:
    """Run a simulation to its end, asking ``policy``; the seconds that it took to decide."""
    is_clairvoyant = getattr(policy, "is_clairvoyant", False)
    clairvoyant = ClairvoyantView(simulation.engine) if is_clairvoyant else None
    schedule_s = 0.0
    while (view := simulation.next_event()) is not None:
        before = time.perf_counter()
        try:
            schedule = policy.decide(clairvoyant or view)
            if isinstance(schedule, Iterator):
                schedule = list(schedule)  # a generator fails here, where it can be blamed
        except InvalidSchedule as error:  # of ``decide_one``
            raise _placed(error, name, simulation.now_us) from error
        except (Exception, SystemExit) as error:
            raise SchedulerError(_blame(name, error)) from error
        schedule_s += time.perf_counter() - before
        try:
            simulation.apply(schedule)
        except InvalidSchedule as error:
            raise _placed(error, name, simulation.now_us) from error
    return schedule_s


def ask_many(batch: Simulations, policy: BatchScheduler, name: str) -> list[Result]:
    """Run simulations to their ends, asking ``policy`` for all that await an answer."""
    schedule_s = 0.0
    started = time.perf_counter()
    while (view := batch.next_events()) is not None:
        before = time.perf_counter()
        try:
            schedule = policy.decide_many(view)
        except (Exception, SystemExit) as error:
            raise SchedulerError(_blame(name, error)) from error
        schedule_s += time.perf_counter() - before
        try:
            batch.apply(schedule)
        except InvalidSchedule as error:
            now_us = int(view.simulations.now_us[0]) if len(batch) == 1 else None
            raise _placed(error, name, now_us) from error
    return batch.results(name, schedule_s, time.perf_counter() - started)


def _placed(error: InvalidSchedule, name: str, now_us: int | None) -> InvalidSchedule:
    """The same error, with who caused it and when, if that is one instant."""
    at = "" if now_us is None else f" at {now_us} µs"
    return InvalidSchedule(f"scheduler {name!r}{at}: {error}")


def _blame(name: str, error: BaseException) -> str:
    """What a scheduler raised, and where."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return f"scheduler {name!r} raised {type(error).__name__}: {error} ({where})"
