"""Who gets a free executor: the standing schedule (R5).

An allocation is *eligible* while its pipeline has unclaimed tasks and its query holds fewer
executors than its limit. All places before ``cursor`` are not; a query that loses an executor makes
its own places eligible again, never another's.
"""

from __future__ import annotations

from sim.fast_engine.compile import compiled
from sim.fast_engine.layout import NONE, NOWHERE, World
from sim.fast_engine.pipeline import claim
from sim.fast_engine.pool import take_free


@compiled
def withdraw(world: World) -> None:
    """The standing schedule stands no longer."""
    run = world.run[0]
    for at in range(run.num_entries):
        entry = world.entries[at]
        world.operators[entry.root].position = NOWHERE
        world.operators[entry.root].direct_limit = NONE
        world.queries[entry.slot].first_position = NOWHERE
    if run.has_holds:
        slot = run.first_active
        while slot >= 0:
            world.queries[slot].hold = 0
            slot = world.queries[slot].after
    run.num_entries = run.cursor = run.has_holds = 0


@compiled
def install(world: World) -> None:
    """What has been written to ``entries`` is the standing schedule."""
    run = world.run[0]
    for at in range(run.num_entries):
        entry = world.entries[at]
        entry.following = NOWHERE
        root, query = world.operators[entry.root], world.queries[entry.slot]
        if query.first_position == NOWHERE:
            # A completed task may be followed by another of the same pipeline without looking at
            # the rest of the schedule, if this is where the query would look first.
            query.first_position = at
            root.direct_limit = entry.limit
        else:
            world.entries[query.last_position].following = at
        query.last_position = at
        if root.position == NOWHERE:
            root.position = at


@compiled
def is_eligible(world: World, at: int) -> bool:
    """Whether an allocation could be given an executor."""
    entry = world.entries[at]
    root = world.operators[entry.root]
    return root.next_task < root.num_tasks and world.queries[entry.slot].num_held < entry.limit


@compiled
def assign_alone(world: World, executor: int) -> None:
    """Give away an executor that alone has just become free, where nobody is held back.

    What ``assign`` would do without going through other queries' places: if others are free as
    well, nothing is eligible but what this query now lacks, and of the executors local to it this
    one became free last.
    """
    run, slot = world.run[0], world.executors[executor].slot
    at = run.cursor if slot < 0 else world.queries[slot].first_position
    while at < run.cursor:
        if is_eligible(world, at):
            _give(world, executor, at)
            return
        at = world.entries[at].following
    while run.cursor < run.num_entries:
        if is_eligible(world, run.cursor):
            _give(world, executor, run.cursor)
            return
        run.cursor += 1


@compiled
def assign(world: World) -> None:
    """Give free executors away until none is left or nothing is eligible."""
    run = world.run[0]
    first_blocked = run.num_entries
    for at in range(run.cursor, run.num_entries):
        entry = world.entries[at]
        root, query = world.operators[entry.root], world.queries[entry.slot]
        wanted = min(root.num_tasks - root.next_task, entry.limit - query.num_held)
        if wanted <= 0:
            continue
        wanted -= _give_local(world, at, wanted)
        while wanted > 0 and run.num_free > 0:
            executor = _longest_free(world, entry.slot)
            if executor < 0:
                break
            _give(world, executor, at)
            wanted -= 1
        if wanted > 0:
            first_blocked = min(at, first_blocked)
            if run.num_free == 0:
                break
    run.cursor = first_blocked


@compiled
def _give(world: World, executor: int, at: int) -> None:
    entry = world.entries[at]
    take_free(world, executor)
    claim(world, executor, entry.root, entry.slot, entry.degree)


@compiled
def _give_local(world: World, at: int, wanted: int) -> int:
    """Give executors local to the query, the one that became free last first; how many."""
    slot, given = world.entries[at].slot, 0
    executor = world.run[0].last_free
    while given < wanted and world.queries[slot].num_local_free > 0:
        before = world.executors[executor].before
        if world.executors[executor].slot == slot:
            _give(world, executor, at)
            given += 1
        executor = before
    return given


@compiled
def _longest_free(world: World, slot: int) -> int:
    """The executor that is free longest, first on nodes of the query, that is not held; or -1."""
    run, first = world.run[0], NONE
    is_one_node = len(world.nodes) == 1
    executor = run.first_free
    while executor >= 0:
        each = world.executors[executor]
        if not (run.has_holds and _is_held(world, each.slot)):
            if is_one_node or world.is_on[slot, each.node]:
                return executor
            if first < 0:
                first = executor
        executor = each.after
    return first


@compiled
def _is_held(world: World, slot: int) -> bool:
    if slot < 0:
        return False
    query = world.queries[slot]
    return query.hold > 0 and query.num_local_free <= query.hold
