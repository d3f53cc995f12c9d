"""Situations that a scheduler must deal with: small runs of TPC-H, each with one trait."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import msgspec

from sim import Cluster, Outage, preset
from traces import Trace, batch_arrivals, load, poisson_arrivals

SEED = 0
SCALE = 0.2
"""Queries of about 40 work orders: a run takes a fraction of a second."""
BUSIEST = "many queries at once"
MB = 10**6
MS = 1_000


@dataclass(frozen=True, slots=True)
class Situation:
    """A run, and what is special about it.

    Attributes:
        name: the trait, in a few words.
        trace, cluster: what runs on what.
        has_history: whether completed runs are seen.
    """

    name: str
    trace: Trace
    cluster: Cluster
    has_history: bool = True


@cache
def situations() -> tuple[Situation, ...]:
    """All of them, the most ordinary ones first."""
    server = preset("inmemory-32").replace(executors_per_node=8)
    nodes = preset("warehouse-4x16").replace(
        num_nodes=3, executors_per_node=4, work_orders_per_batch=2
    )
    outages = (
        Outage(30 * MS, 60 * MS, nodes=(1,)),
        Outage(40 * MS, None, executors=(0, 1)),
        Outage(80 * MS, 90 * MS, nodes=(0, 1, 2)),
    )
    sticky = preset("spark-50").replace(
        executors_per_node=8, move_delay_us=5 * MS, warm_up_us=2 * MS
    )
    return (
        Situation("one query", _batch(1), server),
        Situation(BUSIEST, _batch(24), server),
        Situation("a steady stream", _stream(24, load=0.8), server),
        Situation("history off", _stream(12, load=0.8), server, has_history=False),
        Situation("empty moments", _stream(6, load=0.05), server),
        Situation("one executor", _batch(6), server.replace(executors_per_node=1)),
        Situation("scarce memory", _batch(12), server.replace(memory_bytes=2 * MB)),
        Situation("sticky executors", _batch(12), sticky),
        Situation("several nodes", _batch(12), nodes),
        Situation("node outages", _batch(12), nodes.replace(outages=outages)),
    )


def situation(name: str) -> Situation:
    """The situation called ``name``."""
    return next(each for each in situations() if each.name == name)


def _batch(num_queries: int) -> Trace:
    return batch_arrivals(load("tpch"), num_queries, seed=SEED, scale=SCALE)


def _stream(num_queries: int, load: float) -> Trace:
    """Of few plans, so that they come again and have a history."""
    return poisson_arrivals(
        _few_plans(), num_queries, seed=SEED, load=load, num_executors=8, scale=SCALE
    )


def _few_plans() -> Trace:
    trace = load("tpch")
    plans = trace.plans[:5]
    names = {plan.name for plan in plans}
    queries = tuple(query for query in trace.queries if query.plan in names)
    return msgspec.structs.replace(trace, plans=plans, queries=queries)
