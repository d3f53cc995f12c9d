"""Which queries are predicted short, as in ``sim/schedulers/short.py``."""

from __future__ import annotations

from sim.fast_engine.compile import compiled
from sim.fast_engine.layout import NONE, World
from sim.fast_engine.observed import total_us


@compiled
def judge_new(world: World) -> None:
    """Judge the queries in the system that have not been, in order of arrival."""
    query = world.run[0].first_active
    while query != NONE:
        if world.queries[query].is_short == NONE:
            work_us = total_us(world, query, world.rule[0].size)
            world.queries[query].is_short = _is_below_quantile(world, work_us)
            _remember(world, work_us)
        query = world.queries[query].after


@compiled
def _is_below_quantile(world: World, work_us: float) -> bool:
    """Whether predicted work is below the rule's quantile of what is remembered."""
    count = min(world.run[0].num_judged, len(world.judged))
    quantile = min(int(world.rule[0].short * count), count - 1)
    return bool(count > 0 and work_us < world.judged[quantile].work_us)


@compiled
def _remember(world: World, work_us: float) -> None:
    """Put predicted work in its place, in that of the oldest if there are as many as can be."""
    run, judged = world.run[0], world.judged
    at = count = min(run.num_judged, len(judged))
    if count == len(judged):
        at = 0
        while judged[at].number != run.num_judged - count:
            at += 1
    while at > 0 and judged[at - 1].work_us > work_us:
        judged[at] = judged[at - 1]
        at -= 1
    while at + 1 < count and judged[at + 1].work_us < work_us:
        judged[at] = judged[at + 1]
        at += 1
    judged[at].number, judged[at].work_us = run.num_judged, work_us
    run.num_judged += 1
