"""Memory grants per node (R9): states and cut outputs, held until their consumers complete."""

from __future__ import annotations

from sim.fast_engine.compile import compiled
from sim.fast_engine.layout import World
from sim.formulas import grown_bytes


@compiled
def grow(world: World, slot: int, node: int, num_done: int, num_tasks: int) -> None:
    """A task of an operator's pipeline has ended on a node, as number ``num_done``."""
    run, operator = world.run[0], world.operators[slot]
    target = grown_bytes(operator.grant_bytes, num_done, num_tasks)
    grown = target - operator.grown_bytes
    operator.grown_bytes = target
    world.operator_nodes[slot, node].held_bytes += grown
    world.nodes[node].used_bytes += grown
    run.memory_bytes += grown
    run.peak_memory_bytes = max(run.peak_memory_bytes, run.memory_bytes)


@compiled
def release(world: World, slot: int) -> None:
    """An operator gives back all it holds."""
    operator = world.operators[slot]
    if operator.grant_bytes == 0:
        return
    for node in range(len(world.nodes)):
        held = world.operator_nodes[slot, node]
        world.nodes[node].used_bytes -= held.held_bytes
        held.held_bytes = 0
    world.run[0].memory_bytes -= operator.grown_bytes
    operator.grant_bytes = operator.grown_bytes = 0
