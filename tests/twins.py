"""A rule as a class and compiled, to decide alike; and which special cases came up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from worlds import decision_in, on_world

from sim import ClusterView, Simulation
from sim.fast_engine import rules
from sim.fast_engine.layout import JUDGED, NONE, World
from sim.legality import checked_entries
from sim.registry import make_scheduler
from sim.schedule import Entry
from sim.schedulers.compiled_rule import compiled_rule_of
from sim.schedulers.short import WINDOW

decide = on_world(rules.decide)


class Twin:
    """A rule and its compiled twin, at the scheduling events of one run.

    What the compiled rule keeps between events is kept here, as each event has a world of its own.

    Args:
        text: the rule with its parameters.
        window: how many queries it remembers, see ``WINDOW``.
    """

    def __init__(self, text: str, window: int = WINDOW) -> None:
        self.text, self.policy = text, make_scheduler(text)
        self._judged, self._num_judged = np.zeros(window, JUDGED), 0
        self._is_short: dict[int, int] = {}

    def check(self, simulation: Simulation, world: World) -> set[str]:
        """Compare at one event; returns the special cases that came up."""
        view = simulation.view
        expected = checked_entries(self.policy.decide(view), simulation.engine)
        rule = compiled_rule_of(self.policy)
        assert rule is not None
        rules.set_rule(world.rule, rule)
        world = self._remembering(world)
        decide(world)
        assert decision_in(world) == expected, f"{self.text} at {view.now_us} µs"
        self._remember(world)
        reached = set(_special_cases(self.text, view, *expected[:2]))
        if len({self._is_short[serial] for serial in _serials(world)}) == 2:
            reached.add("a short query beside others")
        if self._num_judged > len(self._judged):
            reached.add("queries are forgotten")
        return reached

    def _remembering(self, world: World) -> World:
        world.run["num_judged"] = self._num_judged
        for serial, slot in _serials(world).items():
            world.queries["is_short"][slot] = self._is_short.get(serial, NONE)
        return world._replace(judged=self._judged)

    def _remember(self, world: World) -> None:
        self._num_judged = int(world.run["num_judged"][0])
        for serial, slot in _serials(world).items():
            self._is_short[serial] = int(world.queries["is_short"][slot])


def _serials(world: World) -> dict[int, int]:
    """Slots of the queries in the system, by serial."""
    slots, slot = dict[int, int](), int(world.run["first_active"][0])
    while slot != NONE:
        slots[int(world.queries["serial"][slot])] = slot
        slot = int(world.queries["after"][slot])
    return slots


def _special_cases(
    text: str, view: ClusterView, entries: list[Entry], holds: dict[int, int]
) -> Iterator[str]:
    """Names of what came up in one decision."""
    if holds:
        yield "holds"
    if any(limit < view.num_executors for _, _, limit, _ in entries):
        yield "a limit below all"
    if len({root for root, *_ in entries}) < len(entries):
        yield "an allocation listed twice"
    if "best" in text:
        whole = {o.slot: len(o.pipeline) for q in view.queries for o in q.schedulable}
        if any(degree < whole[root] for root, _, _, degree in entries):
            yield "a chain is cut where that is cheaper"
        if any(degree == whole[root] > 1 for root, _, _, degree in entries):
            yield "a chain is left whole where cutting costs"
    waiting = [query for query in view.queries if query.schedulable]
    scheduled = {slot for _, slot, _, _ in entries}
    if "gate" in text and view.cluster.memory_bytes is not None and "priced" not in text:
        if len(scheduled) < len(waiting):
            yield "a query is kept out for memory"
        budget = view.cluster.memory_bytes * view.cluster.num_nodes
        alone = view.queries[0] if len(view.queries) == 1 else None
        if alone and entries and not alone.is_started and alone.est_state_bytes > budget:
            yield "a query that does not fit is let in alone"
    if text.startswith("reserve") and "ignore" in text and len(scheduled) < len(waiting):
        yield "queries that are not short get nothing"
    if (
        "priced" in text
        and not entries
        and any(o.num_executors for q in waiting for o in q.schedulable)
    ):
        yield "operators that run get nothing"


def known_times(view: ClusterView) -> Iterator[str]:
    """Names of what rules may know at an event."""
    if view.num_executors < view.cluster.num_executors:
        yield "fewer executors than the cluster can have"
    history = view._engine.history
    for query in view.queries:
        if query.history is None:
            if history.is_enabled and history.correction != 1.0:
                yield "estimates corrected"
        elif query.history is history.plans.get((query.plan, query.template)):
            yield "history of a template"
        else:
            yield "history of a plan"
        for operator in query.operators:
            if len(operator.pipeline) > 1 and operator.num_done:
                yield "a pipeline's time is shared"
