"""Priced executors, as in ``sim/schedulers/priced.py``."""

from __future__ import annotations

import math

import numpy as np

from sim.fast_engine.compile import compiled, compiled_allocating
from sim.fast_engine.layout import World
from sim.fast_engine.observed import (
    arrival_order,
    critical_paths_us,
    is_schedulable,
    num_executors,
    num_unclaimed,
    work_order_us,
)
from sim.fast_engine.rules.listing import add_entry, admitted, remaining_order
from sim.fast_engine.rules.pipelining import best_degree, cached_bytes
from sim.fast_engine.rules.record import BEST
from sim.schedulers import priced

_best_count, _most_executors = compiled(priced.best_count), compiled(priced.most_executors)

COMMITTED, LOCAL, KEPT = range(3)
"""Columns of a supply: executors that stay where they are; those without a move to the query; and
those out of reach for other queries. Rows are query slots."""


@compiled_allocating
def decide_priced(world: World) -> None:
    """Write the schedule and the holds of ``priced``."""
    rule, cluster = world.rule[0], world.cluster[0]
    full, num_queries = world.run[0].num_executors, world.run[0].num_active
    queries = admitted(world, remaining_order(world, rule.size))
    price = rule.weight * (num_queries - 1 + rule.offset) / full
    most = _most_executors(rule.slowdown, price, full)
    set_holds(world)
    others_bytes = cached_bytes(world)
    supply = np.empty((len(world.queries), 3), np.int64)
    room = full - fill_supply(world, supply)
    for query in queries:
        own = supply[query]
        limit = own[COMMITTED]
        if room + own[KEPT] <= 0 or limit >= most:
            continue
        for slot in ranked(world, query):
            count = _best_count(
                num_unclaimed(world, slot),
                work_order_us(world, slot, rule.size),
                num_executors(world, slot) if cluster.is_sticky else 0,
                own[LOCAL],
                min(room + own[KEPT], most - limit),
                price,
                cluster.move_delay_us,
            )
            if count:
                limit += count
                from_own = min(count, own[KEPT])
                own[KEPT] -= from_own
                room -= count - from_own
                own[LOCAL] = max(own[LOCAL] - count, 0)
                degree = rule.degree
                if degree == BEST:
                    degree = best_degree(world, slot, others_bytes)
                add_entry(world, slot, limit, degree)


@compiled_allocating
def fill_supply(world: World, supply: np.ndarray) -> int:
    """Set the supply of all queries in the system; how many executors others cannot have."""
    taken, is_sticky = 0, world.cluster[0].is_sticky
    for query in arrival_order(world):
        running, committed = world.queries[query].num_held, 0
        if is_sticky and running:
            base = world.queries[query].base_slot
            for slot in range(base, base + world.queries[query].num_operators):
                if is_schedulable(world, slot):
                    committed += num_executors(world, slot)
        leaving = running - committed if is_sticky else 0
        own = supply[query]
        own[COMMITTED] = committed
        own[LOCAL] = running - committed + world.queries[query].num_local_free
        own[KEPT] = leaving + world.queries[query].hold
        taken += committed + own[KEPT]
    return taken


@compiled_allocating
def ranked(world: World, query: int) -> np.ndarray:
    """What may run of a query: without executors first, then by the heaviest path to the end."""
    paths_us = critical_paths_us(world, query, world.rule[0].size)
    base, count = world.queries[query].base_slot, 0
    slots = np.empty(len(paths_us), np.int64)
    for slot in range(base, base + len(paths_us)):
        if is_schedulable(world, slot):
            slots[count], paths_us[count] = slot, -paths_us[slot - base]
            count += 1
    by_path = slots[:count][np.argsort(paths_us[:count], kind="mergesort")]
    place = 0
    for is_running in (False, True):
        for slot in by_path:
            if (num_executors(world, slot) > 0) == is_running:
                slots[place] = slot
                place += 1
    return slots[:count]


@compiled_allocating
def set_holds(world: World) -> None:
    """Hold idle local executors where one of a query's running operators is about to end."""
    within_us = world.rule[0].hold_moves * world.cluster[0].move_delay_us
    if within_us <= 0:
        return
    for query in arrival_order(world):
        local = world.queries[query].num_local_free
        if local and ends_us(world, query) <= within_us:
            world.queries[query].hold = local
            world.run[0].has_holds = 1


@compiled
def ends_us(world: World, query: int) -> float:
    """Expected time until the first of a query's running operators ends, µs."""
    base, first = world.queries[query].base_slot, math.inf
    for slot in range(base, base + world.queries[query].num_operators):
        running = num_executors(world, slot)
        if running and not world.operators[slot].is_complete:
            rounds = math.ceil(num_unclaimed(world, slot) / running) + 0.5
            first = min(first, rounds * work_order_us(world, slot, world.rule[0].size))
    return first
