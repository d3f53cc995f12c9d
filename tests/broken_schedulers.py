"""Schedulers with one mistake each, for the checks to find."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator

from sim import Allocation, ClusterView, QueryView, Schedule
from sim.schedulers.compiled_rule import CompiledRule


def in_order(view: ClusterView, queries: Iterable[QueryView]) -> list[Allocation]:
    """What a correct scheduler answers, given an order of the queries."""
    return [
        Allocation(operator, view.num_executors)
        for query in queries
        for operator in query.schedulable
    ]


class Correct:
    def decide(self, view: ClusterView) -> Iterator[Allocation]:
        yield from in_order(view, view.queries)


class AllOperators:
    def decide(self, view: ClusterView) -> list[Allocation]:
        return [Allocation(o, view.num_executors) for q in view.queries for o in q.operators]


class LimitOfZero:
    def decide(self, view: ClusterView) -> list[Allocation]:
        limit = view.num_executors // len(view.queries)
        return [Allocation(o, limit) for q in view.queries for o in q.schedulable]


class DegreeOfZero:
    def decide(self, view: ClusterView) -> list[Allocation]:
        return [
            Allocation(o, view.num_executors, len(o.pipeline) - 1)
            for q in view.queries
            for o in q.schedulable
        ]


class Nothing:
    def decide(self, view: ClusterView) -> None:
        pass


class OneNode:
    """Right as long as the node in the middle is there."""

    def decide(self, view: ClusterView) -> list[Allocation]:
        limit = view.num_executors_on[len(view.num_executors_on) // 2]
        return [Allocation(o, limit) for q in view.queries for o in q.schedulable]


class NoDecide:
    pass


class NoStart:
    def __init__(self) -> None:
        self.table = {}["missing"]


class Idle:
    def decide(self, view: ClusterView) -> list[Allocation]:
        return in_order(view, view.queries[1:])


class Hangs:
    def decide(self, view: ClusterView) -> list[Allocation]:
        while True:
            try:
                time.sleep(1)
            except Exception:
                continue


class AsksAllTheTime:
    def decide(self, view: ClusterView) -> Schedule:
        return Schedule(in_order(view, view.queries), until_us=view.now_us + 1)


class Divides:
    """Fails where there is one executor."""

    def decide(self, view: ClusterView) -> list[Allocation]:
        assert 8 // (view.num_executors - 1) >= 0
        return in_order(view, view.queries)


class Peeks:
    def decide(self, view: ClusterView) -> list[Allocation]:
        return in_order(view, sorted(view.queries, key=self.true_us))

    def true_us(self, query: QueryView) -> int:
        return sum(sum(times) for times in query._active.draw.base_us)


class PeeksInside:
    """Only at operators of the query that is served, by what the trace has recorded."""

    def decide(self, view: ClusterView) -> list[Allocation]:
        operators = sorted(view.queries[0].schedulable, key=lambda o: o._recorded.work_us)
        return [Allocation(o, view.num_executors) for o in operators] + in_order(
            view, view.queries[1:]
        )


class Oracle(Peeks):
    is_clairvoyant = True


class Remembers:
    """Queries that were there before go last; so do those of the next run."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def decide(self, view: ClusterView) -> list[Allocation]:
        queries = sorted(view.queries, key=lambda query: query.query_id in self.seen)
        self.seen |= {query.query_id for query in queries}
        return in_order(view, queries)


class Unseeded:
    def decide(self, view: ClusterView) -> list[Allocation]:
        queries = view.queries
        random.shuffle(queries)
        return in_order(view, queries)


class Seeded:
    """Draws as it may."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def decide(self, view: ClusterView) -> list[Allocation]:
        queries = view.queries
        random.Random(self.seed + view.now_us).shuffle(queries)
        return in_order(view, queries)


class Hashes:
    def decide(self, view: ClusterView) -> list[Allocation]:
        place = {plan: place for place, plan in enumerate({q.plan for q in view.queries})}
        return in_order(view, sorted(view.queries, key=lambda query: place[query.plan]))


class Slow:
    def decide(self, view: ClusterView) -> list[Allocation]:
        time.sleep(2e-4)
        return in_order(view, view.queries)


class CompiledOtherwise:
    def decide(self, view: ClusterView) -> list[Allocation]:
        return in_order(view, view.queries[::-1])

    def compiled_rule(self) -> CompiledRule:
        return CompiledRule("fifo")
