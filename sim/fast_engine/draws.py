"""Base times of a query's work orders (R8, R9), as ``CompiledPlan.draw`` gives them."""

from __future__ import annotations

import math

import numpy as np

from sim.fast_engine import philox
from sim.fast_engine.compile import compiled, compiled_allocating
from sim.fast_engine.layout import World


@compiled
def num_recorded_of(planned: np.record, size_factor: float) -> int:
    """Recorded work orders of an operator of a plan at a size (``traces.model.scaled_count``)."""
    if not planned.is_scalable:
        return planned.num_work_orders
    return max(1, math.floor(planned.num_work_orders * size_factor + 0.5))


@compiled
def num_work_orders_of(world: World, num_recorded: int) -> int:
    """This cluster's work orders, which may batch several recorded ones."""
    batch = world.cluster[0].work_orders_per_batch
    return (num_recorded + batch - 1) // batch


@compiled
def is_as_recorded(world: World, planned: np.record, num_recorded: int, time_factor: float) -> bool:
    """Whether an operator's work orders take the recorded times as they are."""
    batch = world.cluster[0].work_orders_per_batch
    return num_recorded == planned.num_times and time_factor == 1.0 and batch == 1


@compiled
def num_times_of(world: World, plan: int, size_factor: float, time_factor: float) -> int:
    """So many elements of ``times`` a query needs for itself."""
    first, total = world.plans[plan].first_operator, 0
    for index in range(first, first + world.plans[plan].num_operators):
        planned = world.plan_operators[index]
        num_recorded = num_recorded_of(planned, size_factor)
        if not is_as_recorded(world, planned, num_recorded, time_factor):
            total += num_work_orders_of(world, num_recorded)
        if planned.has_waves:
            total += num_recorded
    return total


@compiled_allocating
def draw(world: World, query_slot: int) -> None:
    """Fill a query's block of ``times``, and tell its operators where theirs are.

    All numbers come from (seed, query, operator, index) alone: the stream of the query has one for
    each recorded work order, operator by operator.
    """
    query, seed = world.queries[query_slot], world.cluster[0].seed
    free, end = query.times_block, 0
    for slot in range(query.base_slot, query.base_slot + query.num_operators):
        operator = world.operators[slot]
        planned, count = world.plan_operators[operator.plan_operator], operator.num_recorded
        end += count
        if planned.has_waves:
            operator.first_uniform = free
            philox.fill(world.times[free : free + count], seed, query.query_id, end - count)
            free += count
        if is_as_recorded(world, planned, count, query.time_factor):
            operator.first_time = planned.first_time
        else:
            operator.first_time = free
            free += operator.num_work_orders
            _write_times(world, slot, end - count)


@compiled_allocating
def _write_times(world: World, slot: int, start: int) -> None:
    """Base times of an operator, whose numbers are ``start`` and those after it."""
    operator, times = world.operators[slot], world.times
    query, planned = world.queries[operator.query], world.plan_operators[operator.plan_operator]
    batch, count = world.cluster[0].work_orders_per_batch, operator.num_recorded
    is_resampled = count != planned.num_times
    numbers = np.empty(count if is_resampled else 0, np.int64)
    philox.fill(numbers, world.cluster[0].seed, query.query_id, start)
    for task in range(operator.num_work_orders):
        total = 0
        for index in range(task * batch, min((task + 1) * batch, count)):
            at = index
            if is_resampled:
                at = numbers[index] * planned.num_times >> 32
            time = times[planned.first_time + at]
            if query.time_factor != 1.0:
                time = max(np.int64(np.rint(time * query.time_factor)), 1)
            total += time
        times[operator.first_time + task] = total
