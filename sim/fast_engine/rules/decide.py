"""The answer to a scheduling event."""

from __future__ import annotations

from sim.fast_engine.compile import compiled_allocating
from sim.fast_engine.layout import NEVER, World
from sim.fast_engine.rules.hesrpt import decide_hesrpt
from sim.fast_engine.rules.limited import decide_limited
from sim.fast_engine.rules.priced import decide_priced
from sim.fast_engine.rules.record import HESRPT, PRICED, RESERVE
from sim.fast_engine.rules.reserve import decide_reserve


@compiled_allocating
def decide(world: World) -> None:
    """Write the schedule, the holds and the timer of the rule in ``world.rule``.

    The old schedule must no longer be needed, and ``entries`` must have room for two for each
    operator in the system.
    """
    run = world.run[0]
    run.num_entries, run.has_holds, run.timer_us = 0, 0, NEVER
    query = run.first_active
    while query >= 0:
        world.queries[query].hold = 0
        query = world.queries[query].after
    if world.rule[0].kind == PRICED:
        decide_priced(world)
    elif world.rule[0].kind == RESERVE:
        decide_reserve(world)
    elif world.rule[0].kind == HESRPT:
        decide_hesrpt(world)
    else:
        decide_limited(world)
