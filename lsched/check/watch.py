"""One run of a scheduler, with each of its decisions written down."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NamedTuple, NoReturn

import msgspec

from lsched.check.place import blame
from lsched.check.situations import SEED, Situation
from lsched.choice import Choice
from lsched.watch import as_schedule
from sim import ClairvoyantView, Event, InvalidSchedule, Schedule, Scheduler, Simulation, Stalled
from sim.experience import brought_by

MAX_DECISIONS = 10_000
"""A run needs a few hundred; more are timers that ring all the time."""
MAX_DECISION_S = 10.0
"""A decision that takes longer has hung."""


class Decision(NamedTuple):
    """A schedule, and when it was given.

    Attributes:
        now_us: time of the scheduling event.
        choice: the schedule.
    """

    now_us: int
    choice: Choice


ProblemKind = Literal["illegal", "exception", "stalled", "endless"]


class Problem(NamedTuple):
    """Why a run did not come to its end."""

    kind: ProblemKind
    text: str


@dataclass(slots=True)
class Run:
    """What was seen of a run.

    Attributes:
        decisions: one for each scheduling event.
        seconds: how long each took.
        events: the event log.
        problem: why it ended early; None if it did not.
    """

    decisions: list[Decision] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    events: Sequence[Event] = ()
    problem: Problem | None = None


class Hung(BaseException):
    """A decision takes too long. No ``Exception``, which a scheduler may catch."""


def watch(
    scheduler: Scheduler,
    situation: Situation,
    home: Path | None = None,
    *,
    last_us: int | None = None,
    max_decision_s: float = MAX_DECISION_S,
) -> Run:
    """Run a situation under a scheduler, asking its ``decide``.

    Args:
        scheduler: whom to ask.
        situation: what to run.
        home: where the scheduler's code is, for blame.
        last_us: no later scheduling event is answered.
        max_decision_s: seconds that a decision may take.
    """
    run = Run()
    try:
        history = brought_by(scheduler, situation.has_history)
        simulation = Simulation(
            situation.trace,
            situation.cluster,
            SEED,
            history=history,
            record_events=True,
        )
        assert simulation.events is not None
        run.events = simulation.events
        view = simulation.view
        if getattr(scheduler, "is_clairvoyant", False):
            view = ClairvoyantView(simulation.engine)
        while simulation.next_event() is not None and (last_us is None or view.now_us <= last_us):
            if len(run.decisions) == MAX_DECISIONS:
                run.problem = _endless(simulation, situation)
                break
            started = time.perf_counter()
            with _time_limit(max_decision_s):
                schedule = _listed(scheduler.decide(view))
            run.seconds.append(time.perf_counter() - started)
            try:
                simulation.apply(schedule)
            except InvalidSchedule as error:
                run.problem = Problem("illegal", f"at {view.now_us:,} µs: {error}")
                break
            run.decisions.append(Decision(view.now_us, Choice.of(as_schedule(schedule))))
    except Stalled as error:
        run.problem = Problem("stalled", str(error))
    except Hung as error:
        text = f"no answer within {max_decision_s:g} s: {blame(error, home)}"
        run.problem = Problem("endless", text)
    except (Exception, SystemExit) as error:
        run.problem = Problem("exception", blame(error, home))
    return run


def parting(first: Sequence[Decision], second: Sequence[Decision]) -> str | None:
    """Where two runs part, in words; None if their decisions are the same."""
    for one, other in zip_longest(first, second):
        if one == other:
            continue
        if one is None or other is None or one.now_us != other.now_us:
            times = (f"{each.now_us:,} µs" if each else "never" for each in (one, other))
            return "the next scheduling event comes at different times: {} and {}".format(*times)
        return f"at {one.now_us:,} µs {_unlike(one.choice, other.choice)}"
    return None


def _unlike(one: Choice, other: Choice) -> str:
    """What distinguishes two answers to one scheduling event."""
    for place, pair in enumerate(zip_longest(one.allocations, other.allocations), start=1):
        if pair[0] != pair[1]:
            words = (
                "query {}, operator {} (num_executors {}, pipeline_degree {})".format(*each)
                if each
                else "nothing"
                for each in pair
            )
            return "place {} of the schedule is {} and {}".format(place, *words)
    return (
        f"holds are {one.holds} and {other.holds}, until_us is {one.until_us} and {other.until_us}"
    )


def _listed(answer: Any) -> Any:
    """The same with lists for generators, which can be read only once."""
    if isinstance(answer, Schedule) and isinstance(answer.allocations, Iterator):
        return msgspec.structs.replace(answer, allocations=list(answer.allocations))
    return list(answer) if isinstance(answer, Iterator) else answer


def _endless(simulation: Simulation, situation: Situation) -> Problem:
    done, total = len(simulation.records), situation.trace.num_queries
    return Problem(
        "endless",
        f"asked {MAX_DECISIONS:,} times, and at {simulation.now_us:,} µs {done} of {total} queries "
        "are complete; is until_us too close to now_us?",
    )


@contextmanager
def _time_limit(limit_s: float) -> Iterator[None]:
    """``Hung`` is raised after that long, where signals can do that."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(_: int, __: FrameType | None) -> NoReturn:
        raise Hung

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
