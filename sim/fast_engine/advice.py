"""What a compiled rule would answer to the simulations of a batch, without answering them."""

from __future__ import annotations

import numpy as np

from sim.fast_engine.batch_layout import Batch
from sim.fast_engine.compile import compiled, compiled_allocating
from sim.fast_engine.layout import NEVER, NO_RULE, World
from sim.fast_engine.rules.decide import decide
from sim.fast_engine.world import world_at


@compiled_allocating
def advise(
    batch: Batch,
    num_rows: int,
    rule: np.ndarray,
    allocations: np.ndarray,
    holds: np.ndarray,
    until_us: np.ndarray,
) -> tuple[int, int]:
    """Write the rule's schedules of all simulations, in rows of the view; how much it was.

    Shapes:
        rule: (1,) of ``RULE``.
        allocations: (3, room): operator, executors, pipeline degree; two for each operator is room.
        holds: (2, room): query, executors; one for each query is room.
        until_us: (simulations,)
    """
    num_allocations = num_holds = 0
    for row in range(num_rows):
        world = world_at(batch.addresses[batch.simulations_simulation[row]])
        world.rule[0] = rule[0]
        decide(world)
        until_us[row] = world.run[0].timer_us
        row_of = np.empty(len(world.queries), np.int64)
        for query in range(batch.query_offsets[row], batch.query_offsets[row + 1]):
            slot = batch.queries_slot[query]
            row_of[slot] = query
            if world.run[0].has_holds and world.queries[slot].hold > 0:
                holds[0, num_holds], holds[1, num_holds] = query, world.queries[slot].hold
                num_holds += 1
        for at in range(world.run[0].num_entries):
            entry = world.entries[at]
            first = batch.queries_first_operator[row_of[entry.slot]]
            base = world.queries[entry.slot].base_slot
            allocations[0, num_allocations] = first + entry.root - base
            allocations[1, num_allocations] = entry.limit
            allocations[2, num_allocations] = entry.degree
            num_allocations += 1
        _forget(world)
    return num_allocations, num_holds


@compiled
def _forget(world: World) -> None:
    """The schedule that was written."""
    run = world.run[0]
    world.rule[0].kind = NO_RULE
    run.num_entries, run.has_holds, run.timer_us = 0, 0, NEVER
    query = run.first_active
    while query >= 0:
        world.queries[query].hold = 0
        query = world.queries[query].after
