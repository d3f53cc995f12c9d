"""What the rules share: the order of queries, which are let in, and how a schedule is written.

As in ``sim/schedulers/common.py``.
"""

from __future__ import annotations

import numpy as np

from sim.fast_engine.compile import compiled, compiled_allocating
from sim.fast_engine.future import is_seen, true_remaining_us
from sim.fast_engine.layout import World
from sim.fast_engine.observed import (
    arrival_order,
    claimed_bytes,
    is_schedulable,
    operator_remaining_us,
    remaining_us,
)
from sim.fast_engine.rules.pipelining import MOST_BYTES, best_degree, budget_bytes
from sim.fast_engine.rules.record import BEST


@compiled_allocating
def remaining_order(world: World, size: int) -> np.ndarray:
    """Slots of the queries in the system, least remaining work first; equals by arrival.

    The work by ``size``, or in truth under a rule that sees the future.
    """
    arrived = arrival_order(world)
    work_us = np.empty(len(arrived), np.float64)
    for place in range(len(arrived)):
        query = arrived[place]
        if is_seen(world):
            work_us[place] = true_remaining_us(world, query)
        else:
            work_us[place] = remaining_us(world, query, size)
    return arrived[np.argsort(work_us, kind="mergesort")]


@compiled_allocating
def admitted(world: World, queries: np.ndarray) -> np.ndarray:
    """Those of ``queries``, most urgent first, that may run, see ``Listing.admitted``."""
    cluster = world.cluster[0]
    if not (world.rule[0].memory_gate and cluster.has_memory):
        return queries
    room = budget_bytes(world)
    is_empty, is_open, count = True, True, 0
    for query in queries:
        if world.queries[query].start_us >= 0:
            room = max(room - claimed_bytes(world, query), -MOST_BYTES)
            is_empty = False
    let_in = np.empty(len(queries), np.int64)
    for query in queries:
        is_in = world.queries[query].start_us >= 0
        if not is_in and is_open:
            room = max(room - claimed_bytes(world, query), -MOST_BYTES)
            is_open = room >= 0
            is_in = is_open or is_empty
            is_empty = False
        if is_in:
            let_in[count] = query
            count += 1
    return let_in[:count]


@compiled
def add_entry(world: World, root: int, limit: int, degree: int) -> None:
    """Append an allocation to the schedule."""
    run = world.run[0]
    entry = world.entries[run.num_entries]
    entry.root, entry.slot = root, world.operators[root].query
    entry.limit, entry.degree = limit, degree
    run.num_entries += 1


@compiled_allocating
def add_query(world: World, query: int, limit: int, others_bytes: int) -> None:
    """Append what a query may run.

    Args:
        world: the arrays.
        query: its slot.
        limit: executors that it may hold.
        others_bytes: see ``cached_bytes``.
    """
    degree = world.rule[0].degree
    for slot in ranked(world, query):
        own = best_degree(world, slot, others_bytes) if degree == BEST else degree
        add_entry(world, slot, limit, own)


@compiled_allocating
def ranked(world: World, query: int) -> np.ndarray:
    """Slots of what a query may run, most urgent first, see ``Listing.ranked``."""
    rule, base = world.rule[0], world.queries[query].base_slot
    slots, count = np.empty(world.queries[query].num_operators, np.int64), 0
    for slot in range(base, base + len(slots)):
        if is_schedulable(world, slot):
            slots[count] = slot
            count += 1
    slots = slots[:count]
    if not rule.is_shortest_first:
        return slots
    work_us = np.empty(count, np.float64)
    for place in range(count):
        work_us[place] = operator_remaining_us(world, slots[place], rule.size)
    return slots[np.argsort(work_us, kind="mergesort")]
