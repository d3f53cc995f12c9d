"""Times of work orders with a recorded profile (R9): by wave and number of executors."""

from __future__ import annotations

from sim.fast_engine.compile import compiled
from sim.fast_engine.layout import World
from sim.formulas import first_of_share, interpolated
from sim.workload import FIRST, FRESH


@compiled
def profile_us(
    world: World, slot: int, task: int, num_tasks: int, wave: int, num_held: int
) -> float:
    """Time of a member's share of a task, µs."""
    member = world.operators[slot]
    count, total = member.num_recorded, 0.0
    first = first_of_share(task, count, num_tasks)
    for at in range(first, first_of_share(task + 1, count, num_tasks)):
        uniform = world.times[member.first_uniform + at]
        total += recorded_us(world, member.plan_operator, num_held, wave, uniform)
    return total * world.queries[member.query].time_factor


@compiled
def recorded_us(
    world: World, plan_operator: int, num_executors: int, wave: int, uniform: int
) -> float:
    """Recorded time of a work order, interpolated between executor counts, µs."""
    operator, waves = world.plan_operators[plan_operator], world.waves
    high = operator.first_wave
    last = high + operator.num_waves - 1
    while high < last and waves[high].num_executors < num_executors:
        high += 1
    at_high = _quantile(world, high, wave, uniform)
    gap = waves[high].num_executors - num_executors
    if gap <= 0 or high == operator.first_wave:
        return at_high
    at_low = _quantile(world, high - 1, wave, uniform)
    return interpolated(
        at_low, at_high, gap, waves[high].num_executors - waves[high - 1].num_executors
    )


@compiled
def _quantile(world: World, at: int, wave: int, uniform: int) -> float:
    """By the list for the wave; if that is empty the next later one, then earlier ones."""
    lists = world.waves[at]
    if wave == FRESH:
        if lists.num_fresh:
            return _pick(world, lists.first_fresh, lists.num_fresh, uniform)
        if lists.num_first:
            return _pick(world, lists.first_first, lists.num_first, uniform)
        return _pick(world, lists.first_rest, lists.num_rest, uniform)
    is_first = wave == FIRST
    if is_first and lists.num_first:
        return _pick(world, lists.first_first, lists.num_first, uniform)
    if lists.num_rest:
        return _pick(world, lists.first_rest, lists.num_rest, uniform)
    if lists.num_first and not is_first:
        return _pick(world, lists.first_first, lists.num_first, uniform)
    return _pick(world, lists.first_fresh, lists.num_fresh, uniform)


@compiled
def _pick(world: World, first: int, count: int, uniform: int) -> float:
    return float(world.wave_times[first + ((uniform * count) >> 32)])
