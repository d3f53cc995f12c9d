"""Queries enter and leave the arrays."""

from __future__ import annotations

import numpy as np

from sim.fast_engine import slots
from sim.fast_engine.compile import compiled, compiled_allocating
from sim.fast_engine.draws import draw, num_recorded_of, num_times_of, num_work_orders_of
from sim.fast_engine.future import begin_future, is_seen
from sim.fast_engine.isolated import isolated_bound_us
from sim.fast_engine.layout import (
    LACKS_OPERATORS,
    LACKS_QUERIES,
    LACKS_TIMES,
    NONE,
    NOWHERE,
    OPERATOR,
    OPERATOR_NODE,
    QUERY,
    World,
)


def _blank(dtype: np.dtype, **values: int) -> np.ndarray:
    """A record of zeros but for ``values``."""
    record = np.zeros(1, dtype)
    for name, value in values.items():
        record[name] = value
    return record


BLANK_OPERATOR = _blank(
    OPERATOR,
    root=NONE,
    position=NOWHERE,
    direct_limit=NONE,
    first_uniform=NONE,
    next_member=NONE,
    first_returned=NONE,
    done_at_loss=NONE,
)
BLANK_OPERATOR_NODE = _blank(OPERATOR_NODE)
BLANK_QUERY = _blank(
    QUERY,
    start_us=NONE,
    first_position=NOWHERE,
    last_position=NONE,
    before=NONE,
    after=NONE,
    times_block=NONE,
    is_short=NONE,
)


@compiled
def has_room(world: World) -> bool:
    """Whether the next arrival fits into the arrays; ``lacks`` says which are too small."""
    run = world.run[0]
    arrival = world.arrivals[run.next_arrival]
    run.lacks = 0
    size = num_times_of(world, arrival.plan, arrival.size_factor, arrival.time_factor)
    if not slots.has_operator_room(world, world.plans[arrival.plan].num_operators):
        run.lacks |= LACKS_OPERATORS
    if not slots.has_query_room(world):
        run.lacks |= LACKS_QUERIES
    if not slots.has_time_room(world, size):
        run.lacks |= LACKS_TIMES
    return run.lacks == 0


@compiled_allocating
def admit(world: World) -> int:
    """Let the next arrival in; there must be room, and it must not be too large. Its slot.

    ``next_arrival`` remains, and nobody is told.
    """
    run = world.run[0]
    arrival = world.arrivals[run.next_arrival]
    slot, plan = slots.take_query(world), world.plans[arrival.plan]
    world.queries[slot] = BLANK_QUERY[0]
    world.is_on[slot, :] = False
    query = world.queries[slot]
    query.serial, query.query_id, query.plan = run.serial, arrival.query_id, arrival.plan
    query.template, query.arrival_us = arrival.template, arrival.arrival_us
    query.tenant, query.query_class = arrival.tenant, arrival.query_class
    query.time_factor, query.size_factor = arrival.time_factor, arrival.size_factor
    query.num_operators = query.num_incomplete = plan.num_operators
    query.base_slot = slots.take_operators(world, plan.num_operators)
    for index in range(plan.num_operators):
        _set_operator(world, slot, index, arrival.size_factor)
    size = num_times_of(world, arrival.plan, arrival.size_factor, arrival.time_factor)
    if size > 0:
        query.times_class = slots.time_class(size)
        query.times_block = slots.take_times(world, query.times_class)
    draw(world, slot)
    if is_seen(world):
        begin_future(world, slot)
    query.isolated_us = _isolated_us(world, slot)
    _append(world, slot)
    run.serial += 1
    return slot


@compiled
def remove(world: World, query_slot: int) -> None:
    """Take a query out of the system, and back what it had."""
    run, query = world.run[0], world.queries[query_slot]
    if query.before == NONE:
        run.first_active = query.after
    else:
        world.queries[query.before].after = query.after
    if query.after == NONE:
        run.last_active = query.before
    else:
        world.queries[query.after].before = query.before
    run.num_active -= 1
    slots.give_operators(world, query.base_slot, query.num_operators)
    if query.times_block != NONE:
        slots.give_times(world, query.times_block, query.times_class)
    slots.give_query(world, query_slot)


@compiled
def _set_operator(world: World, query_slot: int, index: int, size_factor: float) -> None:
    """An operator of a query that has just come, but for its base times."""
    query = world.queries[query_slot]
    slot, at = query.base_slot + index, world.plans[query.plan].first_operator + index
    planned = world.plan_operators[at]
    world.operators[slot] = BLANK_OPERATOR[0]
    for node in range(world.cluster[0].num_nodes):
        world.operator_nodes[slot, node] = BLANK_OPERATOR_NODE[0]
    world.known[slot, :] = 0
    operator = world.operators[slot]
    operator.query, operator.index, operator.plan_operator = query_slot, index, at
    num_recorded = num_recorded_of(planned, size_factor)
    num_work_orders = num_work_orders_of(world, num_recorded)
    operator.num_recorded, operator.num_work_orders = num_recorded, num_work_orders
    operator.num_tasks = operator.num_untouched = num_work_orders
    operator.is_ready = planned.num_producers == 0
    operator.missing_producers = planned.num_producers
    operator.missing_consumers = planned.num_consumers
    operator.byte_factor = num_recorded / planned.num_work_orders
    operator.state_bytes = np.int64(planned.state_bytes * operator.byte_factor)
    operator.output_bytes = np.int64(planned.output_bytes * operator.byte_factor)
    operator.recorded_per_work_order = num_recorded / num_work_orders
    operator.est_work_order_us = planned.est_recorded_us * operator.recorded_per_work_order


@compiled_allocating
def _isolated_us(world: World, query_slot: int) -> int:
    """Bound B1, which is the same for all queries of a plan that take its recorded times."""
    query = world.queries[query_slot]
    plan = world.plans[query.plan]
    if query.times_block != NONE:
        return isolated_bound_us(world, query_slot)
    if plan.isolated_us == NONE:
        plan.isolated_us = isolated_bound_us(world, query_slot)
    return plan.isolated_us


@compiled
def _append(world: World, query_slot: int) -> None:
    """Put a query at the end of those in the system."""
    run = world.run[0]
    world.queries[query_slot].before = run.last_active
    if run.last_active == NONE:
        run.first_active = query_slot
    else:
        world.queries[run.last_active].after = query_slot
    run.last_active = query_slot
    run.num_active += 1
