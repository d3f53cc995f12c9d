"""Arrays of the size that a simulation needs."""

from __future__ import annotations

import numpy as np

from sim.fast_engine import layout
from sim.fast_engine.layout import INT, NONE, World
from sim.fast_engine.tables import Tables
from sim.schedulers.short import WINDOW

NUM_OPERATORS, NUM_QUERIES, NUM_TIMES = 64, 16, 1024
"""Slots of operators and queries, and room for times of queries, to begin with."""
NUM_LOG = 65_536
"""Events that are kept until they are read."""
NUM_COMPLETED, NUM_RETURNED = 1024, 16
NUM_TIME_CLASSES = 40
"""Blocks of times are smaller than 2 to this."""
EXECUTORS_PER_ELEMENT = 64
"""Bits of an element of ``known``."""


def empty_world(tables: Tables, cluster: np.ndarray) -> World:
    """A world where nothing has happened yet, without arrivals, changes, and a rule.

    Executors know their node, and are nowhere else: not there, not free.

    Args:
        tables: the plans.
        cluster: see ``tables.cluster_record``.
    """
    num_nodes, per_node = int(cluster["num_nodes"][0]), int(cluster["executors_per_node"][0])
    num_executors = num_nodes * per_node
    num_plans = len(tables.plans)
    num_log = max(NUM_LOG, 16 * num_executors)
    executors = np.zeros(num_executors, layout.EXECUTOR)
    executors["node"] = np.arange(num_executors) // per_node
    for name in ("root", "slot", "task", "before", "after"):
        executors[name] = NONE
    history = np.zeros(num_plans, layout.HISTORY)
    for name in ("first_operator", "num_operators"):
        history[name] = tables.plans[name]
    run = np.zeros(1, layout.RUN)
    for name in (
        *("first_active", "last_active", "first_free", "last_free"),
        *("free_query_slot", "first_returned", "fault_slot"),
    ):
        run[name] = NONE
    run["timer_us"] = layout.NEVER
    run["num_times"] = len(tables.times)
    rule = np.zeros(1, layout.RULE)
    rule["kind"] = layout.NO_RULE
    return World(
        run=run,
        cluster=cluster,
        plans=tables.plans.copy(),
        plan_operators=tables.plan_operators,
        neighbours=tables.neighbours,
        waves=tables.waves,
        wave_times=tables.wave_times,
        speedups=tables.speedups,
        times=_longer(tables.times, len(tables.times) + NUM_TIMES),
        arrivals=np.zeros(0, layout.ARRIVAL),
        changes=np.zeros(0, layout.CHANGE),
        operators=np.zeros(NUM_OPERATORS, layout.OPERATOR),
        operator_nodes=np.zeros((NUM_OPERATORS, num_nodes), layout.OPERATOR_NODE),
        queries=np.zeros(NUM_QUERIES, layout.QUERY),
        is_on=np.zeros((NUM_QUERIES, num_nodes), np.bool_),
        known=np.zeros((NUM_OPERATORS, -(-num_executors // EXECUTORS_PER_ELEMENT)), INT),
        executors=executors,
        nodes=np.zeros(num_nodes, layout.NODE),
        armed=np.zeros(num_executors, layout.ARMED),
        entries=np.zeros(2 * NUM_OPERATORS, layout.ENTRY),
        returned=np.zeros(NUM_RETURNED, layout.RETURNED),
        operator_blocks=np.full(int(tables.plans["num_operators"].max()) + 1, NONE, INT),
        time_blocks=np.full(NUM_TIME_CLASSES, NONE, INT),
        finished=np.zeros(num_executors, INT),
        going_on=np.zeros(num_executors, INT),
        log=np.zeros(num_log if cluster["is_logged"][0] else 1, layout.LOG),
        completed=np.zeros(max(NUM_COMPLETED, 2 * num_executors), layout.COMPLETED),
        history=history,
        history_operators=np.zeros(len(tables.plan_operators), layout.HISTORY_OPERATOR),
        judged=np.zeros(WINDOW, layout.JUDGED),
        rule=rule,
    )


def grown(
    world: World,
    *,
    operators: int = 0,
    queries: int = 0,
    times: int = 0,
    entries: int = 0,
    returned: int = 0,
) -> World:
    """A world with at least so many slots of operators and queries, and elements of others.

    Nothing shrinks, and contents stay where they are. Arrays that need not grow are shared.
    """
    if operators > len(world.operators):
        world = world._replace(
            operators=_longer(world.operators, operators),
            operator_nodes=_longer(world.operator_nodes, operators),
            known=_longer(world.known, operators),
        )
        entries = max(entries, 2 * operators)
    if queries > len(world.queries):
        world = world._replace(
            queries=_longer(world.queries, queries), is_on=_longer(world.is_on, queries)
        )
    for name, size in (("times", times), ("entries", entries), ("returned", returned)):
        if size > len(getattr(world, name)):
            world = world._replace(**{name: _longer(getattr(world, name), size)})
    return world


def with_more_room(world: World) -> World:
    """The world with twice of what it ``lacks`` for its next arrival."""
    lacks = int(world.run["lacks"][0])
    world.run["lacks"] = 0
    return grown(
        world,
        operators=2 * len(world.operators) if lacks & layout.LACKS_OPERATORS else 0,
        queries=2 * len(world.queries) if lacks & layout.LACKS_QUERIES else 0,
        times=2 * len(world.times) if lacks & layout.LACKS_TIMES else 0,
    )


def _longer(array: np.ndarray, length: int) -> np.ndarray:
    """A copy with zeros at its end."""
    longer = np.zeros((length, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
