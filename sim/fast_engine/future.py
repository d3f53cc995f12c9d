"""What is left to do in truth (``ClairvoyantView``): kept only for the rule that sees it."""

from __future__ import annotations

from sim.fast_engine.compile import compiled
from sim.fast_engine.costs import base_us
from sim.fast_engine.layout import World


@compiled
def is_seen(world: World) -> bool:
    """Whether the rule sees the future."""
    return world.rule[0].sees_future != 0


@compiled
def begin_future(world: World, query: int) -> None:
    """Note all the work of a query, whose base times are drawn."""
    base = world.queries[query].base_slot
    for slot in range(base, base + world.queries[query].num_operators):
        world.operators[slot].true_left_us = base_us(world, slot, 0, 1)


@compiled
def count_future(world: World, root: int, task: int) -> None:
    """A task of a pipeline is done."""
    num_tasks, slot = world.operators[root].num_tasks, root
    while slot >= 0:
        member = world.operators[slot]
        member.true_left_us -= base_us(world, slot, task, num_tasks)
        slot = member.next_member


@compiled
def true_remaining_us(world: World, query: int) -> float:
    """True base time of a query's work orders that are not done, µs."""
    base, total = world.queries[query].base_slot, 0.0
    for slot in range(base, base + world.queries[query].num_operators):
        if not world.operators[slot].is_complete:
            total += world.operators[slot].true_left_us
    return total
