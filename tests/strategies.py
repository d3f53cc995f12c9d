"""Random plans, traces, clusters, and a scheduler that makes every legal kind of decision."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import strategies as st

from sim import Allocation, Cluster, ClusterView, Hold, Outage, QueryView, Schedule
from traces import KINDS, Edge, Operator, Plan, Query, Trace, Wave

TIME_US = st.integers(1, 60)
KIND = st.sampled_from([*KINDS, "unheard-of"])
NUM_BYTES = st.sampled_from([0, 700, 700, 1, 2_000, 9_999])


@st.composite
def waves(draw: st.DrawFn) -> tuple[Wave, ...]:
    """A profile at one to three executor counts, with some lists missing."""
    counts = sorted(draw(st.sets(st.integers(1, 7), min_size=1, max_size=3)))
    lists = st.lists(TIME_US, max_size=3).map(sorted).map(tuple)
    profile = []
    for count in counts:
        fresh, first, rest = draw(lists), draw(lists), draw(lists)
        if not (fresh or first or rest):
            rest = (7,)
        profile.append(Wave(num_executors=count, fresh=fresh, first=first, rest=rest))
    return tuple(profile)


@st.composite
def operators(draw: st.DrawFn, kind: str, with_waves: bool = True) -> Operator:
    """An operator with its list of times complete (exact replay) or shorter (resampled)."""
    times = draw(st.lists(TIME_US, min_size=1, max_size=6))
    is_exact = draw(st.booleans())
    return Operator(
        kind=kind,
        num_work_orders=len(times) if is_exact else draw(st.integers(1, 8)),
        work_order_us=tuple(times),
        est_work_order_us=draw(st.none() | TIME_US),
        is_scalable=draw(st.booleans()),
        output_bytes=draw(NUM_BYTES),
        state_bytes=draw(NUM_BYTES),
        contention=draw(st.sampled_from([None, None, None, 0.0, 0.05])),
        waves=draw(waves()) if with_waves and draw(st.integers(0, 5)) == 0 else (),
    )


@st.composite
def plans(draw: st.DrawFn, name: str = "plan", with_waves: bool = True) -> Plan:
    """A DAG of one to five operators; indices are no topological order."""
    size = draw(st.integers(1, 5))
    labels = draw(st.permutations(range(size)))
    edges = []
    for consumer in range(1, size):
        producers = draw(st.sets(st.integers(0, consumer - 1), max_size=2))
        edges += [
            Edge(labels[producer], labels[consumer], draw(st.booleans())) for producer in producers
        ]
    waiting = {edge.consumer for edge in edges if edge.is_pipeline_breaker}
    kinds = [
        "probe" if index in waiting and draw(st.booleans()) else draw(KIND) for index in range(size)
    ]
    each = tuple(draw(operators(kind, with_waves)) for kind in kinds)
    return Plan(name=name, operators=each, edges=tuple(edges))


@st.composite
def traces(draw: st.DrawFn, max_queries: int = 5, with_waves: bool = True) -> Trace:
    """Up to ``max_queries`` queries over one to three plans, arrivals often together."""
    the_plans = tuple(
        draw(plans(name=f"plan-{index}", with_waves=with_waves))
        for index in range(draw(st.integers(1, 3)))
    )
    arrivals = draw(
        st.lists(st.sampled_from([0, 0, 5, 20, 60, 200]), min_size=1, max_size=max_queries)
    )
    ids = draw(st.permutations(range(len(arrivals))))
    factor = st.sampled_from([1.0, 1.0, 0.5, 1.7])
    queries = tuple(
        Query(
            query_id=query_id,
            plan=draw(st.sampled_from(the_plans)).name,
            arrival_us=arrival,
            size_factor=draw(factor),
            time_factor=draw(factor),
        )
        for query_id, arrival in zip(ids, sorted(arrivals), strict=True)
    )
    return Trace(name="random", plans=the_plans, queries=queries)


@st.composite
def outages(draw: st.DrawFn, num_nodes: int, per_node: int) -> tuple[Outage, ...]:
    """Up to four; executor 0 always comes back, so that every run can end."""
    found = []
    for _ in range(draw(st.integers(0, 4))):
        executors = draw(st.sets(st.integers(0, num_nodes * per_node - 1), max_size=3))
        nodes = draw(st.sets(st.integers(0, num_nodes - 1), min_size=not executors, max_size=1))
        from_us = draw(st.sampled_from([0, 5, 17, 20, 40, 41, 90]))
        until_us = draw(st.none() | st.sampled_from([20, 41, 60, 130, 300]))
        if until_us is None and (0 in executors or 0 in nodes):
            until_us = 150
        if until_us is not None and until_us <= from_us:
            until_us = from_us + 25
        found.append(Outage(from_us, until_us, tuple(executors), tuple(nodes)))
    return tuple(found)


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    """A small cluster with each feature on or off."""
    num_nodes, per_node = draw(st.integers(1, 3)), draw(st.integers(1, 3))

    def maybe(value: object, otherwise: object = None) -> object:
        return value if draw(st.booleans()) else otherwise

    return Cluster(
        num_nodes=num_nodes,
        executors_per_node=per_node,
        release=draw(st.sampled_from(["work-order", "pipeline"])),
        move_delay_us=maybe(13, 0),  # type: ignore[arg-type]
        move_across_delay_us=maybe(29),  # type: ignore[arg-type]
        warm_up_us=maybe(5, 0),  # type: ignore[arg-type]
        work_orders_per_batch=draw(st.sampled_from([1, 1, 1, 2, 3])),
        contention=maybe(0.03, 0.0),  # type: ignore[arg-type]
        coherency=maybe(0.004, 0.0),  # type: ignore[arg-type]
        interference=maybe(0.3, 0.0),  # type: ignore[arg-type]
        intermediate_bytes_per_s=maybe(200_000_000),  # type: ignore[arg-type]
        network_bytes_per_s=maybe(70_000_000),  # type: ignore[arg-type]
        cache_bytes=maybe(3_000),  # type: ignore[arg-type]
        memory_bytes=maybe(draw(st.sampled_from([1_500, 6_000, 10**9]))),  # type: ignore[arg-type]
        spill_bytes_per_s=draw(st.sampled_from([30_000_000, 300_000_000])),
        use_profiles=draw(st.integers(0, 4)) > 0,
        outages=draw(outages(num_nodes, per_node)) if draw(st.booleans()) else (),
    )


def plain_clusters() -> st.SearchStrategy[Cluster]:
    """Small clusters where a work order takes its base time."""
    return st.builds(
        Cluster,
        num_nodes=st.integers(1, 2),
        executors_per_node=st.integers(1, 4),
        release=st.sampled_from(["work-order", "pipeline"]),
        use_profiles=st.just(False),
    )


class RandomScheduler:
    """Any legal schedule, drawn from a seed: part of the operators in any order, some of them
    twice, any limit and degree, holds, timers, and waiting wherever something will end the wait.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def decide(self, view: ClusterView) -> Schedule:
        draw = self._random
        candidates = [operator for query in view.queries for operator in query.schedulable]
        draw.shuffle(candidates)
        share = draw.choice([0.0, 0.5, 0.8, 1.0, 1.0])
        chosen = [operator for operator in candidates if draw.random() < share]
        until_us = view.now_us + draw.choice([1, 7, 40]) if draw.random() < 0.3 else None
        if candidates and not chosen and until_us is None:
            chosen = candidates[:1]  # without it nothing might ever ask again
        if chosen and draw.random() < 0.2:
            chosen.append(draw.choice(chosen))
        allocations = [
            Allocation(
                operator,
                draw.choice([1, view.num_executors, draw.randint(1, view.num_executors)]),
                draw.choice([1, 1, 2, 3, 9]),
            )
            for operator in chosen
        ]
        return Schedule(allocations, self._holds(view.queries, view.num_executors - 1), until_us)

    def _holds(self, queries: Sequence[QueryView], most: int) -> list[Hold]:
        """Holds that leave at least one executor for everybody."""
        holds: list[Hold] = []
        if self._random.random() < 0.6:
            return holds
        for query in queries:
            count = self._random.randint(0, most)
            most -= count
            holds.append(Hold(query, count))
        return holds
