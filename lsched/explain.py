"""Where two schedulers part on the same queries and the same luck, and what that costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lsched.choice import Choice
from lsched.runner import blamed
from lsched.watch import simulate_watched
from sim import Cluster, ClusterView, Event, QueryView, Result, Schedule
from sim.engines import EngineName
from traces import Trace


@dataclass(frozen=True, slots=True)
class Scenario:
    """What both schedulers meet; attributes as the arguments of ``sim.simulate``."""

    trace: Trace
    cluster: Cluster
    seed: int = 0
    history: bool = True
    engine: EngineName | None = None


@dataclass(frozen=True, slots=True)
class QueryState:
    """A query in the system, as a scheduler sees it.

    Attributes:
        age_us: time since it arrived.
        num_executors: that work for it.
        busy_us: executor time of its completed work orders.
        est_remaining_us: work left, by the estimates of the trace.
        history_remaining_us: work left, as rules with ``size=history`` see it: by completed runs
            of its plan, else by what has been observed of it, else by corrected estimates.
        schedulable: (operator, work orders not started) of those that may be execution roots.
    """

    query_id: int
    plan: str
    age_us: int
    num_executors: int
    busy_us: int
    est_remaining_us: float
    history_remaining_us: float
    schedulable: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, query: QueryView) -> QueryState:
        """What a view shows now."""
        return cls(
            query_id=query.query_id,
            plan=query.plan,
            age_us=query.age_us,
            num_executors=query.num_executors,
            busy_us=query.busy_us,
            est_remaining_us=query.est_remaining_us,
            history_remaining_us=query.remaining_us("history"),
            schedulable=tuple((each.index, each.num_unclaimed) for each in query.schedulable),
        )


@dataclass(frozen=True, slots=True)
class Parting:
    """The scheduling event after which something else happens for the first time.

    Attributes:
        number: of the scheduling event, from 0.
        time_us: when.
        causes: arrivals and completions of queries at that instant.
        num_free: executors that run nothing.
        queries: in the system, by arrival, as the first scheduler sees them.
        choices: of the first and the second scheduler.
        num_started: tasks that started under either choice, until the next scheduling event, by
            (query, root).
        mixed: the second scheduler's run with the first one's choice at this event alone.
    """

    number: int
    time_us: int
    causes: tuple[Event, ...]
    num_free: int
    queries: tuple[QueryState, ...]
    choices: tuple[Choice, Choice]
    num_started: tuple[Counter[tuple[int, int]], Counter[tuple[int, int]]]
    mixed: Result


@dataclass(frozen=True, slots=True)
class Explanation:
    """Two runs of the same queries, and where they part; None if they never do."""

    first: Result
    second: Result
    parting: Parting | None


def explain(scenario: Scenario, first: str, second: str) -> Explanation:
    """Run two schedulers on the same queries and luck, and find where they part.

    Schedules that are written differently but have the same work done are no difference: runs
    part at the last scheduling event up to which, and not after which, the same things happen at
    the same times on the same nodes.

    Raises:
        InvalidSchedule, Stalled, UnknownScheduler, SchedulerError: as ``sim.simulate``; the message
            names the scheduler.
    """
    one, other = _run(scenario, first), _run(scenario, second)
    parted = _first_difference(one, other)
    if parted is None:
        return Explanation(one, other, None)
    number, before, after, after_other = parted
    of_first = _Moment(number)
    _run(scenario, first, of_first)
    of_second = _Moment(number, instead=of_first.choice)
    mixed = _run(scenario, second, of_second)
    time_us = before[-1].time_us
    parting = Parting(
        number=number,
        time_us=time_us,
        causes=tuple(
            event
            for event in before
            if event.time_us == time_us and event.kind in ("arrive", "complete")
        ),
        num_free=of_first.num_free,
        queries=of_first.queries,
        choices=(of_first.choice, of_second.choice),
        num_started=(_started(after), _started(after_other)),
        mixed=mixed,
    )
    return Explanation(one, other, parting)


class _Moment:
    """Notes what is there at one scheduling event, and may have another choice applied there."""

    choice: Choice
    queries: tuple[QueryState, ...]
    num_free: int

    def __init__(self, number: int | None = None, instead: Choice | None = None) -> None:
        self._number = number
        self._instead = instead
        self._num_seen = 0

    def __call__(self, view: ClusterView, schedule: Schedule) -> Schedule:
        self._num_seen += 1
        if self._num_seen - 1 != self._number:
            return schedule
        self.choice = Choice.of(schedule)
        self.queries = tuple(map(QueryState.of, view.queries))
        self.num_free = view.num_free
        return schedule if self._instead is None else self._instead.schedule(view)


def _run(scenario: Scenario, scheduler: str, moment: _Moment | None = None) -> Result:
    with blamed(scenario.trace.name, scheduler, scenario.seed):
        return simulate_watched(
            scenario.trace,
            scheduler,
            moment or _Moment(),
            cluster=scenario.cluster,
            seed=scenario.seed,
            history=scenario.history,
            engine=scenario.engine,
            record_events=moment is None,
        )


def _first_difference(
    one: Result, other: Result
) -> tuple[int, list[Event], list[Event], list[Event]] | None:
    """The scheduling event where runs part, the step that ends with it, and the two after it."""
    before: list[Event] = []
    for at, steps in enumerate(zip(_steps(one), _steps(other), strict=False)):
        if steps[0] != steps[1]:
            return at - 1, before, *steps
        before = steps[0]
    return None


def _steps(result: Result) -> Iterator[list[Event]]:
    """What happens up to the first scheduling event, from each to the next, and after the last.

    Sorted, and with nodes in place of executors: which of a node's executors does something, and
    in which order they start at an instant, is no difference.
    """
    step: list[Event] = []
    for event in result.events or ():
        step.append(event._replace(executor=event.executor // result.cluster.executors_per_node))
        if event.kind == "schedule":
            yield sorted(step)
            step = []
    yield sorted(step)


def _started(step: Iterable[Event]) -> Counter[tuple[int, int]]:
    """Tasks that start, by (query, root)."""
    return Counter((event.query_id, event.operator) for event in step if event.kind == "start")
