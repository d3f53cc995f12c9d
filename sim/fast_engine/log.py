"""The event log, as numbers (R12)."""

from __future__ import annotations

from typing import get_args

from sim.events import EventKind
from sim.fast_engine.compile import compiled
from sim.fast_engine.layout import NONE, World

KINDS: tuple[EventKind, ...] = get_args(EventKind)
ARRIVE, SCHEDULE, START, FINISH, LOSE, COMPLETE, LEAVE, JOIN = range(len(KINDS))


@compiled
def note(world: World, kind: int, query_id: int, executor: int) -> None:
    """Something happens that is not about a task."""
    _write(world, kind, query_id, NONE, NONE, executor, 0)


@compiled
def note_task(world: World, kind: int, executor: int) -> None:
    """Something happens to what an executor runs."""
    each = world.executors[executor]
    root, query_id = world.operators[each.root], world.queries[each.slot].query_id
    _write(world, kind, query_id, root.index, each.task, executor, root.num_members)


@compiled
def _write(
    world: World, kind: int, query_id: int, operator: int, task: int, executor: int, degree: int
) -> None:
    run = world.run[0]
    row = world.log[run.num_log]
    run.num_log += 1
    row.time_us, row.kind, row.query_id, row.operator = run.now_us, kind, query_id, operator
    row.task, row.executor, row.degree = task, executor, degree
