"""Executors that leave and join: what is lost, and how many there are (R13)."""

from __future__ import annotations

from sim.fast_engine import log
from sim.fast_engine.agenda import cancel
from sim.fast_engine.compile import compiled
from sim.fast_engine.costs import vacate
from sim.fast_engine.layout import NONE, World
from sim.fast_engine.pipeline import put_back
from sim.fast_engine.pool import add_free, take_free
from sim.formulas import MAX_LOSSES


@compiled
def apply_changes(world: World) -> bool:
    """Executors leave and join that do so now; False if a pipeline loses tasks again and again."""
    run = world.run[0]
    while run.next_change < run.num_changes:
        change = world.changes[run.next_change]
        if change.time_us != run.now_us:
            break
        run.next_change += 1
        each = world.executors[change.executor]
        if change.is_joining:
            each.is_there = 1
            add_free(world, change.executor)
            _count(world, change.executor, 1)
            continue
        if each.is_free:
            take_free(world, change.executor)
        elif not _lose(world, change.executor):
            return False
        each.slot = each.root = NONE
        each.is_there = 0
        _forget(world, change.executor)
        _count(world, change.executor, -1)
    return True


@compiled
def executor_time_us(world: World) -> int:
    """Executor time that there was since the first arrival."""
    run = world.run[0]
    return run.total_us + run.num_executors * (run.now_us - run.since_us)


@compiled
def _count(world: World, executor: int, change: int) -> None:
    run = world.run[0]
    run.total_us = executor_time_us(world)
    run.since_us = run.now_us
    run.num_executors += change
    world.nodes[world.executors[executor].node].num_executors += change
    if world.cluster[0].is_logged:
        log.note(world, log.JOIN if change > 0 else log.LEAVE, NONE, executor)


@compiled
def _lose(world: World, executor: int) -> bool:
    """What an executor runs will not complete, or what it was about to start at this instant."""
    run, each = world.run[0], world.executors[executor]
    spent_us = 0
    if not _is_going_on(world, executor):
        remaining_us = cancel(world, executor) - run.now_us
        spent_us = each.delay_us + each.duration_us - remaining_us
        if world.cluster[0].is_logged:
            log.note_task(world, log.LOSE, executor)
    pipeline, query = world.operators[each.root], world.queries[each.slot]
    if pipeline.num_done != pipeline.done_at_loss:
        pipeline.done_at_loss, pipeline.num_lost = pipeline.num_done, 0
    pipeline.num_lost += 1
    if pipeline.num_lost > MAX_LOSSES:
        run.fault_slot = each.slot
        return False
    if world.cluster[0].is_contextual:
        vacate(world, executor)
    query.num_held -= 1
    pipeline.is_dry_noted = 0
    put_back(world, each.root, each.task)
    query.lost_us += spent_us
    query.delay_us -= each.delay_us
    return True


@compiled
def _is_going_on(world: World, executor: int) -> bool:
    """Whether it has claimed a task at this instant; if so, it no longer has."""
    run, going_on = world.run[0], world.going_on
    for at in range(run.num_going_on):
        if going_on[at] == executor:
            for later in range(at + 1, run.num_going_on):
                going_on[later - 1] = going_on[later]
            run.num_going_on -= 1
            return True
    return False


@compiled
def _forget(world: World, executor: int) -> None:
    """It comes back as one that has worked on nothing."""
    if world.known.shape[1] == 0:
        return
    word, bit = executor >> 6, 1 << (executor & 63)
    for slot in range(world.run[0].num_operator_slots):
        world.known[slot, word] &= ~bit
