"""Executors kept free for short queries, as in ``sim/schedulers/reserve.py``."""

from __future__ import annotations

import numpy as np

from sim.fast_engine.compile import compiled, compiled_allocating
from sim.fast_engine.layout import World
from sim.fast_engine.observed import usable_executors
from sim.fast_engine.rules.limited import query_limit
from sim.fast_engine.rules.listing import add_query, admitted, remaining_order
from sim.fast_engine.rules.pipelining import cached_bytes
from sim.fast_engine.rules.short import judge_new


@compiled_allocating
def decide_reserve(world: World) -> None:
    """Write the schedule of ``reserve``."""
    rule, is_sticky = world.rule[0], world.cluster[0].is_sticky
    judge_new(world)
    queries = admitted(world, remaining_order(world, rule.size))
    limit, room = query_limit(world, len(queries)), room_for_others(world, queries)
    others_bytes = cached_bytes(world)
    for query in queries:
        own = limit
        if not world.queries[query].is_short:
            own = world.queries[query].num_held if is_sticky else 0
            more = min(max(min(usable_executors(world, query), limit) - own, 0), room)
            own += more
            room -= more
        if own > 0:
            add_query(world, query, own, others_bytes)


@compiled
def room_for_others(world: World, queries: np.ndarray) -> int:
    """Executors that those of ``queries`` that are not short can be given beside what they keep."""
    full = world.run[0].num_executors
    room = max(full - int(world.rule[0].reserve * full), 1)
    if world.cluster[0].is_sticky:
        for query in queries:
            if not world.queries[query].is_short:
                room -= world.queries[query].num_held
    return max(room, 0)
