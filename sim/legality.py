"""Rules that a schedule must keep (R4, R5, R7). Nothing is clipped or penalised."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import TYPE_CHECKING, Any, NoReturn

from sim.errors import InvalidSchedule
from sim.schedule import Allocation, Answer, Entry, Hold, Schedule
from sim.view import OperatorView, QueryView

if TYPE_CHECKING:
    from sim.engine import Engine

MAX_UNTIL_US = 2**62
MAX_DEGREE = 2**31


def checked_entries(schedule: Schedule | Iterable[Allocation], engine: Engine) -> Answer:
    """The schedule in numbers, if it keeps all rules.

    Raises:
        InvalidSchedule: naming the rule, what was given and what was allowed.
    """
    if not isinstance(schedule, Schedule):
        if not isinstance(schedule, Iterable):
            _fail("R5", f"decide() returned {schedule!r}", "a Schedule or a list of Allocations")
        schedule = Schedule(list(schedule))
    for name in ("allocations", "holds"):
        if not isinstance(given := getattr(schedule, name), Iterable):
            _fail("R5", f"Schedule.{name} is {given!r}", "a list")
    entries = _entries(schedule.allocations, engine)
    limit = engine.cluster.num_executors
    holds = {}
    for hold in schedule.holds:
        if not isinstance(hold, Hold) or not isinstance(hold.query, QueryView):
            _fail(
                "R5", f"a hold is {hold!r}", "Hold(query, num_executors) with a query of the view"
            )
        if not _is_count(hold.num_executors, 0, limit):
            _fail("R5", f"a hold of {hold.num_executors!r} executors", f"0 to {limit}")
        if not hold.query.belongs_to(engine):
            _fail("R5", f"a hold for {hold.query!r}", "a query that is in the system")
        if hold.query.slot in holds:
            _fail("R5", f"two holds for {hold.query!r}", "one for each query")
        holds[hold.query.slot] = int(hold.num_executors)
    until_us = schedule.until_us
    if until_us is not None and not _is_count(until_us, engine.now_us + 1, MAX_UNTIL_US):
        now = engine.now_us
        _fail("R5", f"until_us is {until_us!r}", f"after now ({now} µs), at most {MAX_UNTIL_US}")
    return entries, holds, None if until_us is None else int(until_us)


def _entries(allocations: Iterable[Allocation], engine: Engine) -> list[Entry]:
    """Entries of all allocations. The common case is checked in line, as this is a hot path."""
    state, limit = engine.state, engine.cluster.num_executors
    is_ready, next_task, num_tasks = state.is_ready, state.next_task, state.num_tasks
    entries = []
    for allocation in allocations:
        if type(allocation) is Allocation and type(operator := allocation.operator) is OperatorView:
            query, count, degree = (
                operator.query,
                allocation.num_executors,
                allocation.pipeline_degree,
            )
            if query.belongs_to(engine) and type(count) is int and type(degree) is int:
                slot = operator.slot
                is_schedulable = is_ready[slot] and next_task[slot] < num_tasks[slot]
                if is_schedulable and 1 <= count <= limit and 1 <= degree <= MAX_DEGREE:
                    entries.append((slot, query.slot, count, degree))
                    continue
        entries.append(_entry(allocation, engine, limit))
    return entries


def _entry(allocation: Allocation, engine: Engine, limit: int) -> Entry:
    if not isinstance(allocation, Allocation):
        _fail("R5", f"an entry is {allocation!r}", "Allocation(operator, num_executors)")
    operator = allocation.operator
    if not isinstance(operator, OperatorView):
        _fail("R5", f"allocation of {operator!r}", "an operator of the view")
    if not operator.query.belongs_to(engine):
        _fail("R4", f"allocation of {operator!r}", "an operator of a query in the system")
    if not operator.is_schedulable:
        _fail(
            "R4", f"allocation of {operator!r}, which {operator.blocked_by()}", _allowed(operator)
        )
    if not _is_count(allocation.num_executors, 1, limit):
        _fail("R5", f"num_executors is {allocation.num_executors!r}", f"1 to {limit}")
    if not _is_count(allocation.pipeline_degree, 1, MAX_DEGREE):
        _fail("R5", f"pipeline_degree is {allocation.pipeline_degree!r}", "1 or more")
    return (
        operator.slot,
        operator.query.slot,
        int(allocation.num_executors),
        int(allocation.pipeline_degree),
    )


def _allowed(operator: OperatorView) -> str:
    names = ", ".join(str(other.index) for other in operator.query.schedulable)
    return f"operators of that query that are schedulable now: {names or 'none'}"


def _is_count(value: Any, low: int, high: int) -> bool:
    if not isinstance(value, Integral) or isinstance(value, bool):
        return False
    return low <= int(value) <= high


def _fail(rule: str, given: str, allowed: str) -> NoReturn:
    raise InvalidSchedule(f"rule {rule}: {given}; allowed: {allowed}")
