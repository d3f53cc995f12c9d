"""Queries complete: what becomes of them, and what history keeps (R10)."""

from __future__ import annotations

from sim.fast_engine import log
from sim.fast_engine.admission import remove
from sim.fast_engine.availability import executor_time_us
from sim.fast_engine.compile import compiled
from sim.fast_engine.layout import NONE, World
from sim.fast_engine.observed import observed_busy_us


@compiled
def complete_query(world: World, slot: int) -> None:
    """All operators are done: take the query out of the system."""
    run, query = world.run[0], world.queries[slot]
    _forget_locals(world, slot)
    if world.cluster[0].has_history:
        _remember(world, slot)
    run.executor_time_us = executor_time_us(world)
    row = world.completed[run.num_completed]
    run.num_completed += 1
    row.serial, row.completion_us = query.serial, run.now_us
    row.start_us, row.isolated_us = query.start_us, query.isolated_us
    row.delay_us, row.lost_us = query.delay_us, query.lost_us
    row.busy_us = row.num_work_orders = 0
    for at in range(query.base_slot, query.base_slot + query.num_operators):
        row.busy_us += world.operators[at].busy_us
        row.num_work_orders += world.operators[at].num_work_orders
    if world.cluster[0].is_logged:
        log.note(world, log.COMPLETE, query.query_id, NONE)
    remove(world, slot)


@compiled
def _forget_locals(world: World, slot: int) -> None:
    """Nobody is local to the query any more."""
    executor = world.run[0].first_free
    while executor >= 0:
        if world.executors[executor].slot == slot:
            world.executors[executor].slot = NONE
        executor = world.executors[executor].after
    world.queries[slot].num_local_free = 0


@compiled
def _remember(world: World, slot: int) -> None:
    """Add a completed run to the history of its plan, and of its template if it has one."""
    run, query = world.run[0], world.queries[slot]
    _add(world, query.plan, slot)
    if query.template >= 0:
        _add(world, query.template, slot)
    observed = estimated = 0.0
    for index in range(query.num_operators):
        operator = world.operators[query.base_slot + index]
        observed += observed_busy_us(world, query.base_slot + index)
        est_recorded_us = world.plan_operators[operator.plan_operator].est_recorded_us
        estimated += est_recorded_us * operator.num_recorded
    run.observed_work_us += observed
    run.estimated_work_us += estimated


@compiled
def _add(world: World, key: int, slot: int) -> None:
    known, query = world.history[key], world.queries[slot]
    known.num_completed += 1
    for index in range(query.num_operators):
        past = world.history_operators[known.first_operator + index]
        past.busy_us += observed_busy_us(world, query.base_slot + index)
        past.num_recorded += world.operators[query.base_slot + index].num_recorded
