"""How many operators to run together, as in ``sim/schedulers/pipelining.py``."""

from __future__ import annotations

import math

import numpy as np

from sim.fast_engine.compile import compiled, compiled_allocating
from sim.fast_engine.layout import NONE, World
from sim.fast_engine.observed import (
    ESTIMATE,
    est_output_bytes,
    est_state_bytes,
    num_executors,
    operator_remaining_us,
)
from sim.fast_engine.rules.record import BEST
from traces.cache import probe_slowdown
from traces.units import US_PER_S

MOST_BYTES = 1 << 62


@compiled
def budget_bytes(world: World) -> int:
    """Memory of all nodes together, at most more than there could be a use for."""
    cluster = world.cluster[0]
    return min(cluster.memory_bytes, MOST_BYTES // cluster.num_nodes) * cluster.num_nodes


@compiled
def probed_bytes(world: World, slot: int) -> int:
    """State that an operator's probes look up: what is held if it is known, else the estimate."""
    operator = world.operators[slot]
    planned, base = world.plan_operators[operator.plan_operator], slot - operator.index
    total = 0
    if planned.is_probe:
        for at in range(planned.first_breaking, planned.first_breaking + planned.num_breaking):
            producer = base + world.neighbours[at]
            held = world.operators[producer].grown_bytes
            total += held if held else est_state_bytes(world, producer)
    return total


@compiled
def cached_bytes(world: World) -> int:
    """State that running pipelines probe: the mean per node. 0 if no rule asks for it."""
    total, query = 0, world.run[0].first_active
    if world.rule[0].degree != BEST:
        return 0
    while query != NONE:
        base = world.queries[query].base_slot
        if world.queries[query].num_held:
            for slot in range(base, base + world.queries[query].num_operators):
                if num_executors(world, slot):
                    total += probed_bytes(world, slot)
        query = world.queries[query].after
    return total // world.cluster[0].num_nodes


@compiled
def following(world: World, slot: int) -> int:
    """The operator that would run in a pipeline after another that is not started, else -1."""
    operator = world.operators[slot]
    after = world.plan_operators[operator.plan_operator].pipeline_next
    if after < 0:
        return NONE
    # Of the missing producers one is the operator before it.
    after += slot - operator.index
    return NONE if world.operators[after].missing_producers > 1 else after


@compiled
def best_degree(world: World, root: int, others_bytes: int) -> int:
    """The degree of the first pipeline in the cheapest way to cut the chain of a root."""
    if world.operators[root].root >= 0:
        return world.operators[world.operators[root].root].num_members
    if following(world, root) == NONE:
        return 1
    return _first_degree(world, root, others_bytes)


@compiled_allocating
def _chain_from(world: World, root: int) -> np.ndarray:
    """Slots of the longest pipeline that an operator can be the root of."""
    length, slot = 1, following(world, root)
    while slot != NONE:
        length, slot = length + 1, following(world, slot)
    chain = np.empty(length, np.int64)
    slot = root
    for at in range(length):
        chain[at] = slot
        slot = following(world, slot)
    return chain


@compiled_allocating
def _first_degree(world: World, root: int, others_bytes: int) -> int:
    """Dynamic programming over the places to cut, from the end."""
    chain = _chain_from(world, root)
    length = len(chain)
    cheapest = np.zeros(length + 1)
    degrees = np.zeros(length, np.int64)
    for start in range(length - 1, -1, -1):
        cheapest[start] = math.inf
        # Of equally cheap ends the last one.
        for end in range(start + 1, length + 1):
            cost_us = _cost_us(world, chain, start, end, others_bytes) + cheapest[end]
            if cost_us <= cheapest[start]:
                cheapest[start], degrees[start] = cost_us, end - start
    return degrees[0]


@compiled
def _cost_us(world: World, chain: np.ndarray, start: int, end: int, others_bytes: int) -> float:
    """Executor time that running members ``start`` to ``end - 1`` together adds, µs."""
    cluster = world.cluster[0]
    cost_us = _cache_us(world, chain, start, end, others_bytes)
    if end < len(chain) and cluster.has_intermediate:
        output = est_output_bytes(world, chain[end - 1])
        cost_us += 2.0 * output / cluster.intermediate_bytes_per_s * US_PER_S
    return cost_us + _spill_us(world, chain, start, end)


@compiled
def _cache_us(world: World, chain: np.ndarray, start: int, end: int, others_bytes: int) -> float:
    """Slower probes, because hash tables share the cache."""
    cluster = world.cluster[0]
    if not cluster.has_cache:
        return 0.0
    together, total_us = others_bytes, 0.0
    for at in range(start, end):
        together += probed_bytes(world, chain[at])
    for at in range(start, end):
        own = probed_bytes(world, chain[at])
        if own:
            slowdown = probe_slowdown(own, together, cluster.cache_bytes)
            work_us = operator_remaining_us(world, chain[at], ESTIMATE)
            total_us += work_us * (slowdown - 1.0)
    return total_us


@compiled
def _spill_us(world: World, chain: np.ndarray, start: int, end: int) -> float:
    """Writing and reading what of the pipeline's state does not fit into memory."""
    cluster = world.cluster[0]
    if not cluster.has_memory:
        return 0.0
    room = budget_bytes(world)
    for node in range(cluster.num_nodes):
        room -= world.nodes[node].used_bytes
    touched = needed = 0
    for at in range(end):
        built, probed = est_state_bytes(world, chain[at]), probed_bytes(world, chain[at])
        needed += built
        if at < start:
            needed -= probed
        else:
            touched += built + probed
    if start > 0:
        needed += est_output_bytes(world, chain[start - 1])
    if end < len(chain):
        needed += est_output_bytes(world, chain[end - 1])
    misfit = min(max(needed - room, 0), touched)
    return 2.0 * misfit / cluster.spill_bytes_per_s * US_PER_S
