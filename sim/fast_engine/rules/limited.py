"""Queries in an order, each with the same limit: ``fifo``, ``fair``, ``srpt``, ``oracle-srpt``."""

from __future__ import annotations

from sim.fast_engine.compile import compiled, compiled_allocating
from sim.fast_engine.layout import World
from sim.fast_engine.observed import arrival_order
from sim.fast_engine.rules.listing import add_query, admitted, remaining_order
from sim.fast_engine.rules.pipelining import cached_bytes
from sim.fast_engine.rules.record import BY_CAP, BY_SHARE, ORACLE_SRPT, SRPT
from sim.schedulers import common

_fair_limit, _part_of = compiled(common.fair_limit), compiled(common.part_of)


@compiled_allocating
def decide_limited(world: World) -> None:
    """Write the schedule of one of these."""
    rule, full = world.rule[0], world.run[0].num_executors
    is_by_work = rule.kind == SRPT or rule.kind == ORACLE_SRPT
    order = remaining_order(world, rule.size) if is_by_work else arrival_order(world)
    queries = admitted(world, order)
    limit, others_bytes = query_limit(world, len(queries)), cached_bytes(world)
    for query in queries:
        add_query(world, query, max(limit, kept(world, query)), others_bytes)
    if rule.is_spare_shared and limit < full:
        for query in queries:
            if kept(world, query) < full:
                add_query(world, query, full, others_bytes)


@compiled
def kept(world: World, query: int) -> int:
    """Executors that a query keeps whatever its limit is: all it has, or none."""
    own = world.queries[query]
    return own.num_held + own.num_local_free if world.rule[0].keeps else 0


@compiled
def query_limit(world: World, num_queries: int) -> int:
    """The limit per query while there are so many."""
    rule, full = world.rule[0], world.run[0].num_executors
    if rule.limit_by == BY_CAP:
        return _part_of(full, rule.limit)
    if rule.limit_by == BY_SHARE:
        return _fair_limit(full, num_queries, rule.limit)
    return full
