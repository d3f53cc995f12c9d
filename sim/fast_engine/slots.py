"""Room for queries: slots of operators and queries, and blocks of ``times``, all reused.

What is given back goes to a list of what is free, by size, and the last to come is the first to go.
"""

from __future__ import annotations

from sim.fast_engine.compile import compiled
from sim.fast_engine.layout import NONE, World


@compiled
def has_operator_room(world: World, size: int) -> bool:
    """Whether there is a free block of ``size`` slots of operators."""
    is_listed = world.operator_blocks[size] != NONE
    return is_listed or world.run[0].num_operator_slots + size <= len(world.operators)


@compiled
def has_query_room(world: World) -> bool:
    """Whether there is a free slot for a query."""
    run = world.run[0]
    return run.free_query_slot != NONE or run.num_query_slots < len(world.queries)


@compiled
def has_time_room(world: World, size: int) -> bool:
    """Whether there is a free block for ``size`` elements of ``times``."""
    if size == 0:
        return True
    size_class = time_class(size)
    is_listed = world.time_blocks[size_class] != NONE
    return is_listed or world.run[0].num_times + (1 << size_class) <= len(world.times)


@compiled
def take_operators(world: World, size: int) -> int:
    """The first of ``size`` slots of operators in a row; there must be room."""
    base = world.operator_blocks[size]
    if base != NONE:
        world.operator_blocks[size] = world.operators[base].root
    else:
        base = world.run[0].num_operator_slots
        world.run[0].num_operator_slots += size
    return base


@compiled
def give_operators(world: World, base: int, size: int) -> None:
    """Take back what ``take_operators`` gave."""
    world.operators[base].root = world.operator_blocks[size]
    world.operator_blocks[size] = base


@compiled
def take_query(world: World) -> int:
    """A slot for a query; there must be room."""
    run = world.run[0]
    slot = run.free_query_slot
    if slot != NONE:
        run.free_query_slot = world.queries[slot].after
    else:
        slot = run.num_query_slots
        run.num_query_slots += 1
    return slot


@compiled
def give_query(world: World, slot: int) -> None:
    """Take back what ``take_query`` gave."""
    world.queries[slot].after = world.run[0].free_query_slot
    world.run[0].free_query_slot = slot


@compiled
def time_class(size: int) -> int:
    """Binary logarithm of the size of the blocks for ``size`` elements of ``times``."""
    size_class = 0
    while 1 << size_class < size:
        size_class += 1
    return size_class


@compiled
def take_times(world: World, size_class: int) -> int:
    """The first of 2 ** ``size_class`` elements of ``times``; there must be room."""
    block = world.time_blocks[size_class]
    if block != NONE:
        world.time_blocks[size_class] = world.times[block]
    else:
        block = world.run[0].num_times
        world.run[0].num_times += 1 << size_class
    return block


@compiled
def give_times(world: World, block: int, size_class: int) -> None:
    """Take back what ``take_times`` gave."""
    world.times[block] = world.time_blocks[size_class]
    world.time_blocks[size_class] = block
