"""Bound B1 of a query as it is let in: sim/bounds/isolated.py over arrays, number for number."""

from __future__ import annotations

import math

import numpy as np

from sim.bounds.isolated import MAX_ROUNDS
from sim.bounds.speedup import ROUNDING_US, SAFETY
from sim.fast_engine.compile import compiled, compiled_allocating
from sim.fast_engine.layout import INT, World

SHAPE = np.dtype(
    {
        "names": (
            *("work_us", "count", "head_us", "end_us", "duration_us", "tail_us"),
            *("first_way", "num_ways"),
        ),
        "formats": (INT,) * 8,
    }
)
"""Of an operator: sum and number of work-order times; least time from arrival to its start and to
its end, of its whole pipeline, and from its end to the query's; a span of ways.
"""
WAY = np.dtype(
    {
        "names": (
            *("start_us", "num_tasks", "work_us", "count"),
            *("task_us", "longest_us", "duration_us"),
        ),
        "formats": (INT,) * 7,
    }
)
"""One way in which an operator may run: ``Run`` of sim/bounds/isolated.py."""


@compiled_allocating
def isolated_bound_us(world: World, query_slot: int) -> int:
    """Least latency of a query that has the cluster to itself, µs."""
    query = world.queries[query_slot]
    plan, base = world.plans[query.plan], query.base_slot
    shapes, ways = np.zeros(plan.num_operators, SHAPE), np.empty(plan.num_ways, WAY)
    num_ways = 0
    for at in range(plan.num_operators):
        index = world.plan_operators[plan.first_operator + at].topological
        shapes[index].first_way = num_ways
        _set_shape(world, shapes, ways, base + index)
        num_ways += shapes[index].num_ways
    _set_tails(world, shapes, plan.first_operator)
    return _least_latency_us(world, shapes, query.plan)


@compiled_allocating
def _set_shape(world: World, shapes: np.ndarray, ways: np.ndarray, slot: int) -> None:
    """Fill in an operator's shape and all ways in which it may run, from its ``first_way`` on.

    Its producers have theirs. It starts after all of them, or in the pipeline of one whose
    only output is a non-breaking edge to it, which then started after all the others.
    """
    operator, num_executors = world.operators[slot], world.cluster[0].num_executors
    planned, neighbours = world.plan_operators[operator.plan_operator], world.neighbours
    first_operator = operator.plan_operator - operator.index
    together = world.speedups[len(world.plan_operators) + world.queries[operator.query].plan]
    rate = 1.0 / together.total
    times = _least_times(world, slot)
    work, count, longest, least = 0, len(times), times[0], times[0]
    for time in times:
        work += time
        longest = max(longest, time)
        least = min(least, time)
    alone_us = least_us(world.speedups[operator.plan_operator], work, count, num_executors)
    duration = max(longest, alone_us, _crowded_us(times, num_executors))
    num_tasks = operator.num_work_orders
    producers = neighbours[planned.first_producer : planned.first_producer + planned.num_producers]
    start = 0
    for producer in producers:
        start = max(start, shapes[producer].end_us)
    shape = shapes[operator.index]
    num_ways = shape.first_way
    way = ways[num_ways]
    way.start_us, way.num_tasks, way.work_us, way.count = start, num_tasks, work, count
    way.task_us, way.longest_us, way.duration_us = least * (count // num_tasks), longest, duration
    num_ways += 1
    head, end, shortest = start, start + duration, duration
    for producer in producers:
        if world.plan_operators[first_operator + producer].pipeline_next != operator.index:
            continue
        ready = 0
        for other in producers:
            if other != producer:
                ready = max(ready, shapes[other].end_us)
        first_way = shapes[producer].first_way
        for at in range(first_way, first_way + shapes[producer].num_ways):
            before, way = ways[at], ways[num_ways]
            # Of n work orders each of m tasks gets n ÷ m, rounded down or up.
            share = least * (count // before.num_tasks)
            way.start_us, way.num_tasks = max(before.start_us, ready), before.num_tasks
            way.work_us, way.count = before.work_us + work, before.count + count
            way.longest_us = max(before.longest_us + share, before.task_us + longest)
            way.task_us = before.task_us + share
            rounds = (way.num_tasks + num_executors - 1) // num_executors
            run_us = max(before.duration_us, duration, way.longest_us, rounds * way.task_us)
            if run_us < way.work_us * rate + 1.0:
                run_us = max(run_us, least_us(together, way.work_us, way.count, num_executors))
            way.duration_us = run_us
            num_ways += 1
            head, end = min(head, way.start_us), min(end, way.start_us + run_us)
            shortest = min(shortest, run_us)
    shape.num_ways = num_ways - shape.first_way
    shape.work_us, shape.count = work, count
    shape.head_us, shape.end_us, shape.duration_us = head, end, shortest


@compiled
def _set_tails(world: World, shapes: np.ndarray, first_operator: int) -> None:
    for at in range(len(shapes) - 1, -1, -1):
        index = world.plan_operators[first_operator + at].topological
        planned = world.plan_operators[first_operator + index]
        for edge in range(planned.first_consumer, planned.first_consumer + planned.num_consumers):
            consumer = world.neighbours[edge]
            tail = shapes[consumer].tail_us
            if planned.pipeline_next != consumer:
                tail += shapes[consumer].duration_us
            shapes[index].tail_us = max(shapes[index].tail_us, tail)


@compiled_allocating
def _least_latency_us(world: World, shapes: np.ndarray, plan: int) -> int:
    """The longest chain, or head + work ÷ executors + tail (``Shape.isolated_us``)."""
    together = world.speedups[len(world.plan_operators) + plan]
    best, rate, total = 1, 1.0 / together.total, 0
    heads, tails = np.empty(len(shapes), np.int64), np.empty(len(shapes), np.int64)
    for index in range(len(shapes)):
        heads[index], tails[index] = shapes[index].head_us, shapes[index].tail_us
        total += shapes[index].work_us
        best = max(best, shapes[index].end_us)
    by_head, by_tail = _descending(heads), _descending(tails)
    head = -1
    for at in range(len(shapes) - 1, -1, -1):
        if heads[by_head[at]] == head:
            continue
        head = heads[by_head[at]]
        if head + tails[by_tail[0]] + total * rate + 1.0 <= best:
            continue  # for speed, as below: nothing here can be more
        work = count = 0
        for index in by_tail:
            if heads[index] >= head:
                work += shapes[index].work_us
                count += shapes[index].count
                so_far = head + tails[index]
                if so_far + work * rate + 1.0 > best:
                    least = least_us(together, work, count, world.cluster[0].num_executors)
                    best = max(best, so_far + least)
    return best


@compiled
def least_us(speedup: np.record, work_us: int, count: int, num_executors: int) -> int:
    """Least time of all executors together for so much base work (``Speedup.least_us``), µs."""
    linear = (work_us + num_executors - 1) // num_executors
    if speedup.is_linear:
        return linear
    credit_us = work_us - ROUNDING_US * count
    return max(linear, math.ceil(credit_us / speedup.total * SAFETY))


@compiled_allocating
def _crowded_us(times: np.ndarray, num_executors: int) -> int:
    """Least time for work orders that are a few more than the executors.

    Of the k·P + 1 longest, one of P executors runs k + 1: at least the k + 1 shortest of those.
    """
    count, best = len(times), 0
    most = (count - 1) // num_executors
    if not 1 <= most < MAX_ROUNDS:
        return 0
    ordered = np.sort(times)
    for k in range(1, most + 1):
        shortest = count - 1 - k * num_executors
        best = max(best, np.sum(ordered[shortest : shortest + k + 1]))
    return best


@compiled_allocating
def _least_times(world: World, slot: int) -> np.ndarray:
    """An operator's work-order times, each at its smallest over contexts, µs.

    With a recorded profile they are those of recorded work orders, which the cluster may batch.
    """
    operator = world.operators[slot]
    if operator.first_uniform < 0:
        first = operator.first_time
        return world.times[first : first + operator.num_work_orders]
    factor = world.queries[operator.query].time_factor
    times = np.empty(operator.num_recorded, np.int64)
    for index in range(operator.num_recorded):
        least = _least_wave_time(world, slot, world.times[operator.first_uniform + index])
        times[index] = np.int64(factor * least)  # rounded down, because a task's time may be
    return times


@compiled
def _least_wave_time(world: World, slot: int, uniform: int) -> int:
    """The shortest time of all lists of a profile at one quantile, µs."""
    planned, least = world.plan_operators[world.operators[slot].plan_operator], -1
    for at in range(planned.first_wave, planned.first_wave + planned.num_waves):
        wave = world.waves[at]
        for first, count in (
            (wave.first_fresh, wave.num_fresh),
            (wave.first_first, wave.num_first),
            (wave.first_rest, wave.num_rest),
        ):
            if count > 0:
                time = world.wave_times[first + (uniform * count >> 32)]
                if least < 0 or time < least:
                    least = time
    return least


@compiled_allocating
def _descending(keys: np.ndarray) -> np.ndarray:
    """Indices of ``keys`` from the largest to the smallest; equal ones in order of their index."""
    order = np.empty(len(keys), np.int64)
    for index in range(len(keys)):
        at = index
        while at > 0 and keys[order[at - 1]] < keys[index]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = index
    return order
