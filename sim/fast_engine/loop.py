"""Instants and scheduling events (R2, R5, R6): the loop that everything else is called from.

One instant is atomic: first everything that completes, then executors leave and join, then
arrivals, then at most one scheduling event, then free executors are given away, then the durations
of what they start are fixed, so all that start together see the same cluster.
"""

from __future__ import annotations

from sim.fast_engine import log
from sim.fast_engine.admission import admit, has_room
from sim.fast_engine.agenda import arm, rearm_first, take_first
from sim.fast_engine.availability import apply_changes
from sim.fast_engine.clock import clock
from sim.fast_engine.compile import compiled
from sim.fast_engine.completion import complete_query
from sim.fast_engine.costs import duration_us, vacate
from sim.fast_engine.dispatcher import assign, assign_alone, install, withdraw
from sim.fast_engine.layout import NEVER, NO_RULE, NONE, World
from sim.fast_engine.pipeline import claim, complete, count_done, take_task
from sim.fast_engine.pool import add_free
from sim.fast_engine.rules.decide import decide
from sim.formulas import MAX_IDLE_EVENTS
from sim.workload import REST

EVENT, DONE, SERVICE, TOO_LARGE = range(4)
NOBODY_THERE, NOTHING_SCHEDULED, IDLE, LOSSES, OUT_OF_TIME = range(4, 9)
"""Why the loop returns: a scheduling event is to be answered; all queries have completed; arrays
must be read, refilled or made larger; the next query is too large; and five ways to be stalled."""

BETWEEN, ARRIVING, ANSWERED = range(3)
"""Where the loop goes on: before an instant; in one, with its arrivals; after a scheduling event,
with a schedule in ``entries``."""


@compiled
def run_on(world: World) -> int:
    """Run to the next scheduling event that Python must answer, or to the end."""
    run = world.run[0]
    while True:
        if run.phase == ANSWERED:
            install(world)
            _give(world, NONE)
            run.phase = BETWEEN
        if run.phase == BETWEEN:
            if not _is_next_known(world):
                return SERVICE
            _go_on(world)
            if not _has_room_for_instant(world):
                return SERVICE
            status = _next_instant(world)
            if status != EVENT:
                return status
            status = _settle(world)
            if status != EVENT:
                return status
            run.phase = ARRIVING
        status = _let_in(world)
        if status != EVENT:
            return status
        if run.timer_us == run.now_us:
            run.timer_us = NEVER
            run.is_event = 1
            if not _note_idle(world):
                return IDLE
        if not (run.is_event and run.num_active > 0 and run.num_executors > 0):
            _give(world, world.finished[0] if run.num_finished == 1 else NONE)
            run.phase = BETWEEN
            continue
        run.num_schedules += 1
        if world.cluster[0].is_logged:
            log.note(world, log.SCHEDULE, NONE, NONE)
        withdraw(world)
        run.phase = ANSWERED
        if world.rule[0].kind == NO_RULE:
            return EVENT
        before = clock()
        decide(world)
        run.schedule_clocks += clock() - before


@compiled
def _has_arrivals(world: World) -> bool:
    run = world.run[0]
    return run.next_arrival < run.num_arrivals or not run.is_last_arrival


@compiled
def _has_changes(world: World) -> bool:
    run = world.run[0]
    return run.next_change < run.num_changes or not run.is_last_change


@compiled
def _is_next_known(world: World) -> bool:
    """Whether the next arrival and the next change of executors, if any, are in the arrays."""
    run = world.run[0]
    if run.next_arrival == run.num_arrivals and not run.is_last_arrival:
        return False
    return bool(run.next_change < run.num_changes or run.is_last_change)


@compiled
def _has_room_for_instant(world: World) -> bool:
    """Whether all that one instant may need, but for arrivals, is there."""
    run, num_executors = world.run[0], len(world.executors)
    if world.cluster[0].is_logged and run.num_log + 8 * num_executors + 8 > len(world.log):
        return False
    if run.num_returned + num_executors > len(world.returned):
        return False
    return run.num_completed + num_executors <= len(world.completed)


@compiled
def _next_instant(world: World) -> int:
    """Set the clock; EVENT, or why there is nothing more to come."""
    run = world.run[0]
    if not _has_arrivals(world):
        if run.num_active == 0:
            return DONE
        is_idle = run.num_free == run.num_executors
        if is_idle and run.timer_us == NEVER and not _has_changes(world):
            return NOBODY_THERE if run.num_executors == 0 else NOTHING_SCHEDULED
    now_us = _next_other_us(world)
    if run.num_armed > 0:
        now_us = min(now_us, world.armed[0].end_us)
    run.now_us = now_us
    if now_us >= world.cluster[0].end_us:
        return OUT_OF_TIME
    run.is_event = 0
    return EVENT


@compiled
def _next_other_us(world: World) -> int:
    """When something happens next that is not a completion, or when the clock ends."""
    run = world.run[0]
    next_us = min(run.timer_us, world.cluster[0].end_us)
    if run.next_arrival < run.num_arrivals:
        next_us = min(next_us, world.arrivals[run.next_arrival].arrival_us)
    if run.next_change < run.num_changes:
        next_us = min(next_us, world.changes[run.next_change].time_us)
    return next_us


@compiled
def _go_on(world: World) -> None:
    """Executors that complete alone go on with their own pipeline where they would be given that.

    The hot loop, one turn per task, for as long as nothing else happens.
    """
    run, cluster, armed = world.run[0], world.cluster[0], world.armed
    other_us = _next_other_us(world)
    while run.num_armed > 0:
        now_us, executor = armed[0].end_us, armed[0].executor
        if now_us >= other_us:
            return
        if run.num_armed > 1 and armed[1].end_us == now_us:
            return
        if run.num_armed > 2 and armed[2].end_us == now_us:
            return
        each = world.executors[executor]
        pipeline = world.operators[each.root]
        if pipeline.next_task == pipeline.num_tasks:
            return
        if not cluster.is_sticky and (
            pipeline.position > run.cursor
            or world.queries[each.slot].num_held > pipeline.direct_limit
        ):
            return
        if cluster.is_logged:
            if run.num_log + 2 > len(world.log):
                return
            run.now_us = now_us
            log.note_task(world, log.FINISH, executor)
        count_done(world, executor)
        each.task = take_task(world, each.root)
        each.wave, each.delay_us = REST, 0
        each.duration_us = duration_us(world, executor)
        rearm_first(world, now_us + each.duration_us)
        if cluster.is_logged:
            log.note_task(world, log.START, executor)


@compiled
def _settle(world: World) -> int:
    """What completes now, and executors that leave and join; EVENT, or why it is stalled."""
    run = world.run[0]
    run.num_finished = 0
    while run.num_armed > 0 and world.armed[0].end_us == run.now_us:
        world.finished[run.num_finished] = take_first(world)
        run.num_finished += 1
    if run.num_finished > 0:
        _finish_tasks(world)
    if run.next_change < run.num_changes and world.changes[run.next_change].time_us == run.now_us:
        run.is_event = 1
        if not apply_changes(world):
            return LOSSES
        if not _note_idle(world):
            return IDLE
    return EVENT


@compiled
def _finish_tasks(world: World) -> None:
    run, cluster = world.run[0], world.cluster[0]
    for at in range(run.num_finished):
        executor = world.finished[at]
        if cluster.is_logged:
            log.note_task(world, log.FINISH, executor)
        if cluster.is_contextual:
            vacate(world, executor)
        count_done(world, executor)
        world.queries[world.executors[executor].slot].num_held -= 1
    for at in range(run.num_finished):
        executor = world.finished[at]
        each = world.executors[executor]
        pipeline, query = world.operators[each.root], world.queries[each.slot]
        if cluster.is_sticky and pipeline.next_task < pipeline.num_tasks:
            claim(world, executor, each.root, each.slot, 0)
        else:
            add_free(world, executor)
            query.num_local_free += 1
            run.cursor = min(run.cursor, query.first_position)
    for at in range(run.num_finished):
        each = world.executors[world.finished[at]]
        if not each.is_free:
            continue
        pipeline = world.operators[each.root]
        if pipeline.num_done == pipeline.num_tasks:
            if not pipeline.is_complete:
                complete(world, each.root)
                run.is_event = 1
                if world.queries[pipeline.query].num_incomplete == 0:
                    complete_query(world, pipeline.query)
        elif pipeline.next_task == pipeline.num_tasks and not pipeline.is_dry_noted:
            pipeline.is_dry_noted = 1
            run.is_event = 1


@compiled
def _let_in(world: World) -> int:
    """Queries that arrive now; EVENT when all are in."""
    run = world.run[0]
    while True:
        if run.next_arrival == run.num_arrivals:
            return EVENT if run.is_last_arrival else SERVICE
        arrival = world.arrivals[run.next_arrival]
        if arrival.arrival_us != run.now_us:
            return EVENT
        if arrival.is_too_large:
            return TOO_LARGE
        if not has_room(world):
            return SERVICE
        if world.cluster[0].is_logged:
            if run.num_log + 4 * len(world.executors) + 4 > len(world.log):
                return SERVICE
            log.note(world, log.ARRIVE, arrival.query_id, NONE)
        admit(world)
        if not run.has_begun:
            run.has_begun = 1
            run.total_us, run.since_us = 0, run.now_us
        run.next_arrival += 1
        run.is_event = 1


@compiled
def _give(world: World, alone: int) -> None:
    """Give free executors away, then fix the durations of all that starts at this instant.

    ``alone``: the only executor that has become free, -1 if there may be others.
    """
    run = world.run[0]
    if run.num_free > 0:
        if alone >= 0 and world.executors[alone].is_free and not run.has_holds:
            assign_alone(world, alone)
        else:
            assign(world)
    if run.num_going_on > 0:
        run.num_idle = 0
    for at in range(run.num_going_on):
        executor = world.going_on[at]
        each = world.executors[executor]
        each.duration_us = duration_us(world, executor)
        arm(world, executor, run.now_us + each.delay_us + each.duration_us)
        if world.cluster[0].is_logged:
            log.note_task(world, log.START, executor)
    run.num_going_on = 0


@compiled
def _note_idle(world: World) -> bool:
    """Something has happened that starts nothing; False if no more than that ever will."""
    run = world.run[0]
    is_idle = run.num_free == run.num_executors
    if is_idle and run.num_active > 0 and not _has_arrivals(world):
        run.num_idle += 1
    return run.num_idle <= MAX_IDLE_EVENTS
