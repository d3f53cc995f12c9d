"""What comes to a compiled simulation: queries, and executors that leave and join, in portions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from sim.cluster import Cluster
from sim.fast_engine.layout import ARRIVAL, CHANGE, HISTORY, HISTORY_OPERATOR, NONE, World
from sim.fast_engine.shared import Shared
from sim.history import History
from sim.outages import Change, changes
from sim.workload import CompiledPlan
from traces import Query, Trace, TraceStream

PORTION = 1024
"""Queries, or changes of executors, that are handed over at a time."""


class Intake:
    """Hands arrivals and changes over, and knows the queries that have been handed over.

    Args:
        trace, cluster, seed, history: as for ``Simulation``.
        plans: of the trace, by name.

    Attributes:
        queries: by serial number, those that have not completed.
        history_names: names of histories, by index in ``World.history``: of plans, in the trace's
            order, then of templates.
    """

    def __init__(
        self,
        trace: Trace | TraceStream,
        plans: Mapping[str, CompiledPlan],
        cluster: Cluster,
        seed: int,
        history: History,
        shared: Shared,
    ) -> None:
        self._plans = plans
        self.queries: dict[int, Query] = {}
        self.history_names: list[str | tuple[str, str]] = [plan.name for plan in trace.plans]
        self._keys = {name: key for key, name in enumerate(self.history_names)}
        self._history = history
        self._arrivals: Iterator[Query] = iter(trace.queries)
        self._next = next(self._arrivals, None)
        self._changes: Iterator[Change] = iter(changes(cluster, seed))
        self._next_change = next(self._changes, None)
        self._num_handed = 0
        self._shared = shared

    def begin(self, world: World) -> World:
        """The world at the start: executors are there and free, history is what is known."""
        count = len(world.executors)
        world.executors["is_there"] = world.executors["is_free"] = 1
        world.executors["before"] = np.arange(count) - 1
        world.executors["after"] = [*range(1, count), NONE]
        world.run["first_free"], world.run["last_free"] = 0, count - 1
        world.run["num_free"] = world.run["num_executors"] = count
        np.add.at(world.nodes["num_executors"], world.executors["node"], 1)
        world.run["observed_work_us"] = self._history.observed_work_us
        world.run["estimated_work_us"] = self._history.estimated_work_us
        for key, name in enumerate(self.history_names):
            self._put_history(world, key, name)
        return self.refill(world)

    def refill(self, world: World) -> World:
        """The next portions, where the last ones are used up."""
        run = world.run
        if run["next_arrival"][0] == run["num_arrivals"][0]:
            world = self._with_arrivals(world)
        if run["next_change"][0] == run["num_changes"][0]:
            world = self._with_changes(world)
        return world

    def history_keys(self, query: Query) -> tuple[int, ...]:
        """Histories that a query adds to, in order."""
        key = self._keys[query.plan]
        return (key, self._keys[query.plan, query.template]) if query.template else (key,)

    def _with_arrivals(self, world: World) -> World:
        rows: list[tuple[float, ...]] = []
        while self._next is not None and len(rows) < PORTION:
            query = self._next
            self.queries[self._num_handed] = query
            self._num_handed += 1
            template = NONE
            if query.template:
                name = (query.plan, query.template)
                if name not in self._keys:
                    self._keys[name] = len(self.history_names)
                    self.history_names.append(name)
                template = self._keys[name]
            plan = self._keys[query.plan]
            is_too_large = self._plans[query.plan].is_too_large(query)
            tenant = self._shared.tenants.index_of(query.tenant)
            query_class = self._shared.query_classes.index_of(query.query_class)
            names = plan, template, tenant, query_class
            factors = query.size_factor, query.time_factor
            rows.append((query.arrival_us, query.query_id, *names, is_too_large, *factors))
            self._next = next(self._arrivals, None)
        world = self._with_histories(world)
        world.run["next_arrival"], world.run["num_arrivals"] = 0, len(rows)
        world.run["is_last_arrival"] = self._next is None
        return world._replace(arrivals=np.array(rows, ARRIVAL))

    def _with_histories(self, world: World) -> World:
        """Room for the histories of templates that are new."""
        first_new, count = len(world.history), len(self.history_names)
        if count == first_new:
            return world
        new = np.zeros(count - first_new, HISTORY)
        plans = [self._keys[name[0]] for name in self.history_names[first_new:]]
        sizes = world.history["num_operators"][plans]
        new["num_operators"] = sizes
        new["first_operator"] = len(world.history_operators) + np.cumsum(sizes) - sizes
        room = np.zeros(int(sizes.sum()), HISTORY_OPERATOR)
        world = world._replace(
            history=np.concatenate([world.history, new]),
            history_operators=np.concatenate([world.history_operators, room]),
        )
        for key in range(first_new, count):
            self._put_history(world, key, self.history_names[key])
        return world

    def _put_history(self, world: World, key: int, name: str | tuple[str, str]) -> None:
        known = self._history.plans.get(name)
        if known is None:
            return
        world.history["num_completed"][key] = known.num_completed
        _, first, size = world.history[key].item()
        world.history_operators["busy_us"][first : first + size] = known.busy_us
        world.history_operators["num_recorded"][first : first + size] = known.num_recorded

    def _with_changes(self, world: World) -> World:
        rows: list[tuple[int, int, bool]] = []
        while self._next_change is not None and len(rows) < PORTION:
            change = self._next_change
            rows += [(change.time_us, executor, False) for executor in change.leaving]
            rows += [(change.time_us, executor, True) for executor in change.joining]
            self._next_change = next(self._changes, None)
        world.run["next_change"], world.run["num_changes"] = 0, len(rows)
        world.run["is_last_change"] = self._next_change is None
        return world._replace(changes=np.array(rows, CHANGE))
