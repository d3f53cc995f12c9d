"""Shares that favour short queries, as in ``sim/schedulers/hesrpt.py``."""

from __future__ import annotations

import numpy as np

from sim.fast_engine.compile import compiled_allocating
from sim.fast_engine.layout import World
from sim.fast_engine.rules.listing import add_query, admitted, remaining_order
from sim.fast_engine.rules.pipelining import cached_bytes


@compiled_allocating
def decide_hesrpt(world: World) -> None:
    """Write the schedule of ``hesrpt``."""
    rule, full = world.rule[0], world.run[0].num_executors
    queries = admitted(world, remaining_order(world, rule.size))
    limits, others_bytes = limits_of(len(queries), rule.p, full), cached_bytes(world)
    for place in range(len(queries)):
        if limits[place] > 0:
            add_query(world, queries[place], limits[place], others_bytes)
    if rule.is_spare_shared:
        for place in range(len(queries)):
            if limits[place] < full:
                add_query(world, queries[place], full, others_bytes)


@compiled_allocating
def limits_of(num_queries: int, p: float, total: int) -> np.ndarray:
    """Executors by rank, least remaining work first."""
    return rounded(shares_of(num_queries, p, total), total)


@compiled_allocating
def rounded(exact: np.ndarray, total: int) -> np.ndarray:
    """Shares as whole numbers, as by ``rounded_shares``."""
    limits, given = np.empty(len(exact), np.int64), 0
    for rank in range(len(exact)):
        limits[rank] = int(exact[rank])
        given += limits[rank]
    for rank in np.argsort(limits - exact, kind="mergesort")[: total - given]:
        limits[rank] += 1
    return limits


@compiled_allocating
def shares_of(num_queries: int, p: float, total: int) -> np.ndarray:
    """``hesrpt_shares`` of ``total`` by rank, least remaining work first."""
    power, scale = 1.0 / (1.0 - p), 0.0
    shares = np.empty(num_queries, np.float64)
    for rank in range(num_queries):
        after = (num_queries - rank) / num_queries
        shares[rank] = after**power - ((num_queries - rank - 1) / num_queries) ** power
        scale += shares[rank]
    for rank in range(num_queries):
        shares[rank] = total * shares[rank] / scale
    return shares
