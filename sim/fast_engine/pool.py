"""The pool of free executors, in the order in which they became free (R5)."""

from __future__ import annotations

from sim.fast_engine.compile import compiled
from sim.fast_engine.layout import NONE, World


@compiled
def add_free(world: World, executor: int) -> None:
    """Put an executor at the end."""
    run, each = world.run[0], world.executors[executor]
    each.is_free = 1
    each.before, each.after = run.last_free, NONE
    if run.last_free >= 0:
        world.executors[run.last_free].after = executor
    else:
        run.first_free = executor
    run.last_free = executor
    run.num_free += 1


@compiled
def take_free(world: World, executor: int) -> None:
    """Take an executor out; it is no longer a free one that is local to its query."""
    run, each = world.run[0], world.executors[executor]
    each.is_free = 0
    if each.before >= 0:
        world.executors[each.before].after = each.after
    else:
        run.first_free = each.after
    if each.after >= 0:
        world.executors[each.after].before = each.before
    else:
        run.last_free = each.before
    run.num_free -= 1
    if each.slot >= 0:
        world.queries[each.slot].num_local_free -= 1
