"""The arrays of the compiled engine, filled from a running simulation of the other one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sim import Simulation
from sim.active import ActiveQuery
from sim.fast_engine import layout
from sim.fast_engine.compile import compiled_entry
from sim.fast_engine.layout import NONE, World
from sim.fast_engine.rules.record import set_rule
from sim.fast_engine.world import table_of, world_at
from sim.query_view import QueryView
from sim.schedulers.compiled_rule import CompiledRule
from sim.simpy_engine.engine import SimpyEngine
from sim.simpy_engine.state import OPERATOR_COLUMNS
from sim.workload import CompiledPlan

UNSET = -987_654_321
"""What everything holds that is not filled in, so that reading it shows."""


def world_of(simulation: Simulation) -> World:
    """All that rules may read at a scheduling event of ``simulation``; ``rule`` is not set."""
    world = _unset_world(simulation)
    _fill_cluster(world, simulation)
    _fill_plans(world, simulation)
    _fill_history(world, simulation)
    for name in OPERATOR_COLUMNS:
        column = getattr(_engine(simulation).state, name)
        world.operators[name][: len(column)] = column
    for view in _engine(simulation).query_views.values():
        _fill_query(world, simulation, view)
    actives = list(_engine(simulation).query_views)
    for before, after in zip([None, *actives], [*actives, None], strict=True):
        if after is not None:
            world.queries["before"][after.slot] = NONE if before is None else before.slot
        if before is not None:
            world.queries["after"][before.slot] = NONE if after is None else after.slot
    return world


def with_rule(world: World, rule: CompiledRule) -> World:
    """The same arrays with another rule in them."""
    set_rule(world.rule, rule)
    return world


def decision_in(world: World) -> tuple[list[tuple[int, ...]], dict[int, int], int | None]:
    """Entries, holds by query slot and timer, in the form of ``checked_entries``."""
    run, holds, slot = world.run[0], {}, int(world.run["first_active"][0])
    entries = world.entries[: run["num_entries"]]
    while slot != NONE:
        if hold := int(world.queries["hold"][slot]):
            holds[slot] = hold
        slot = int(world.queries["after"][slot])
    assert bool(run["has_holds"]) == bool(holds)
    timer = None if run["timer_us"] == layout.NEVER else int(run["timer_us"])
    columns = [entries[name].tolist() for name in ("root", "slot", "limit", "degree")]
    return list(zip(*columns, strict=True)), holds, timer


def _engine(simulation: Simulation) -> SimpyEngine:
    assert isinstance(simulation.engine, SimpyEngine)
    return simulation.engine


def _unset(dtype: np.dtype, *shape: int) -> np.ndarray:
    array = np.empty(shape, dtype)
    for name in dtype.names or ():
        array[name] = UNSET
    if not dtype.names:
        array[:] = UNSET
    return array


def _unset_world(simulation: Simulation) -> World:
    state, num_nodes = _engine(simulation).state, simulation.cluster.num_nodes
    num_operators, num_queries = len(state.root), len(state.num_held)
    plans = simulation.trace.plans
    num_plan_operators = sum(len(plan.operators) for plan in plans)
    num_histories = len(plans) + len(_templates(simulation))
    per_history = max(len(plan.operators) for plan in plans)
    arrays = {
        "run": _unset(layout.RUN, 1),
        "cluster": _unset(layout.CLUSTER, 1),
        "plans": _unset(layout.PLAN, len(plans)),
        "plan_operators": _unset(layout.PLAN_OPERATOR, num_plan_operators),
        "neighbours": _unset(layout.INT, 2 * sum(len(plan.edges) for plan in plans)),
        "operators": _unset(layout.OPERATOR, num_operators),
        "queries": _unset(layout.QUERY, num_queries),
        "nodes": _unset(layout.NODE, num_nodes),
        "entries": _unset(layout.ENTRY, 2 * num_operators),
        "history": _unset(layout.HISTORY, num_histories),
        "history_operators": _unset(layout.HISTORY_OPERATOR, num_histories * per_history),
        "rule": _unset(layout.RULE, 1),
    }
    for name, (dtype, num_dimensions) in layout.ARRAYS.items():
        arrays.setdefault(name, np.zeros((0,) * num_dimensions, dtype))
    return World(**arrays)


def _set(array: np.ndarray, at: int, **fields: Any) -> None:
    for name, value in fields.items():
        array[name][at] = value


def _fill_cluster(world: World, simulation: Simulation) -> None:
    cluster, slots = simulation.cluster, [active.slot for active in _engine(simulation).query_views]
    _set(
        world.run,
        0,
        now_us=simulation.now_us,
        num_executors=_engine(simulation).num_executors,
        num_active=len(slots),
        first_active=slots[0] if slots else NONE,
        last_active=slots[-1] if slots else NONE,
        observed_work_us=simulation.history.observed_work_us,
        estimated_work_us=simulation.history.estimated_work_us,
    )
    _set(
        world.cluster,
        0,
        num_nodes=cluster.num_nodes,
        num_executors=cluster.num_executors,
        is_sticky=cluster.release == "pipeline",
        move_delay_us=cluster.move_delay_us,
        has_history=simulation.history.is_enabled,
        has_intermediate=cluster.intermediate_bytes_per_s is not None,
        intermediate_bytes_per_s=cluster.intermediate_bytes_per_s or 0,
        has_cache=cluster.cache_bytes is not None,
        cache_bytes=cluster.cache_bytes or 0,
        has_memory=cluster.memory_bytes is not None,
        memory_bytes=cluster.memory_bytes or 0,
        spill_bytes_per_s=cluster.spill_bytes_per_s,
    )
    for node, used in enumerate(_engine(simulation).progress.memory.used_bytes):
        _set(world.nodes, node, used_bytes=used)


def _first_operators(simulation: Simulation) -> dict[str, int]:
    first, total = {}, 0
    for plan in simulation.trace.plans:
        first[plan.name] = total
        total += len(plan.operators)
    return first


def _fill_plans(world: World, simulation: Simulation) -> None:
    num_neighbours = 0
    for at, plan in enumerate(simulation.trace.plans):
        first = _first_operators(simulation)[plan.name]
        compiled = CompiledPlan(plan, simulation.cluster)
        _set(world.plans, at, num_operators=len(plan.operators), first_operator=first)
        for index, operator in enumerate(plan.operators):
            consumers, breaking = compiled.consumers[index], compiled.breaking_producers[index]
            estimates = operator.est_state_bytes, operator.est_output_bytes
            _set(
                world.plan_operators,
                first + index,
                topological=plan.topological_order[index],
                pipeline_next=compiled.pipeline_next[index],
                is_probe=compiled.is_probe[index],
                first_consumer=num_neighbours,
                num_consumers=len(consumers),
                first_breaking=num_neighbours + len(consumers),
                num_breaking=len(breaking),
                est_state_bytes=operator.state_bytes if estimates[0] is None else estimates[0],
                est_output_bytes=operator.output_bytes if estimates[1] is None else estimates[1],
            )
            for neighbour in (*consumers, *breaking):
                world.neighbours[num_neighbours] = neighbour
                num_neighbours += 1


def _templates(simulation: Simulation) -> list[tuple[str, str]]:
    """(plan, template) pairs, in order of appearance; histories of plans come before theirs."""
    pairs = [(query.plan, query.template) for query in simulation.trace.queries if query.template]
    return list(dict.fromkeys(pairs))


def _fill_history(world: World, simulation: Simulation) -> None:
    keys = [*(plan.name for plan in simulation.trace.plans), *_templates(simulation)]
    width = len(world.history_operators) // len(keys)
    for at, key in enumerate(keys):
        _set(world.history, at, num_completed=0, first_operator=at * width)
        if (known := simulation.history.plans.get(key)) is not None:
            _set(world.history, at, num_completed=known.num_completed)
            for index, busy_us in enumerate(known.busy_us):
                recorded = known.num_recorded[index]
                place = at * width + index
                _set(world.history_operators, place, busy_us=busy_us, num_recorded=recorded)


def _fill_query(world: World, simulation: Simulation, view: QueryView) -> None:
    active, names = view._active, [plan.name for plan in simulation.trace.plans]
    template = NONE
    if view.template:
        template = len(names) + _templates(simulation).index((view.plan, view.template))
    _set(
        world.queries,
        active.slot,
        plan=names.index(view.plan),
        template=template,
        start_us=_engine(simulation).state.start_us[active.slot],
        base_slot=active.base_slot,
        num_operators=active.compiled.num_operators,
        num_held=_engine(simulation).state.num_held[active.slot],
        num_local_free=_engine(simulation).state.num_local_free[active.slot],
        hold=UNSET,
    )
    first = _first_operators(simulation)[view.plan]
    for index in range(active.compiled.num_operators):
        _set(
            world.operators,
            active.base_slot + index,
            query=active.slot,
            index=index,
            plan_operator=first + index,
            num_work_orders=active.num_work_orders[index],
            est_work_order_us=active.est_work_order_us[index],
            byte_factor=active.byte_factors[index],
            recorded_per_work_order=active.recorded_per_work_order[index],
            grown_bytes=_engine(simulation).held_bytes(active.base_slot + index),
        )
        _fill_pipeline(world, simulation, active, active.base_slot + index)


def _fill_pipeline(world: World, simulation: Simulation, active: ActiveQuery, root: int) -> None:
    """The members of the pipeline whose root is in slot ``root``, if that is one."""
    if (pipeline := _engine(simulation).progress.pipelines.get(root)) is None:
        return
    _set(world.operators, root, num_members=len(pipeline.members))
    slots = [active.base_slot + member.operator for member in pipeline.members]
    for member, slot, following in zip(pipeline.members, slots, [*slots[1:], NONE], strict=True):
        _set(world.operators, slot, next_member=following)
        if pipeline.done_tasks is not None:
            done_us = sum(member.base_us[task] for task in pipeline.done_tasks)
            _set(world.operators, slot, done_base_us=done_us)


def on_world(function: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled function of a world and numbers, so that it can be called from Python."""

    @compiled_entry
    def entry(table: int, arguments: tuple[int, ...]) -> Any:
        return function(world_at(table), *arguments)

    def call(world: World, *arguments: int) -> Any:
        table = table_of(world)
        return entry(table.ctypes.data, arguments)

    return call
