"""What rules may know of a running query (R10), as in ``sim/query_view.py``.

Queries and operators are given by slot.
"""

from __future__ import annotations

import numpy as np

from sim.fast_engine.compile import compiled, compiled_allocating
from sim.fast_engine.layout import NONE, World
from sim.formulas import estimated_bytes

ESTIMATE, OBSERVED, HISTORY = range(3)
"""Where a work order's time comes from (``sim.view.Size``), in the order of that type."""


@compiled
def is_schedulable(world: World, slot: int) -> bool:
    """Whether an operator may be an execution root now (R4)."""
    operator = world.operators[slot]
    return operator.is_ready != 0 and operator.next_task < operator.num_tasks


@compiled
def part_of(num_work_orders: int, tasks: int, num_tasks: int) -> int:
    """Work orders that belong to so many tasks of a pipeline; divides only where it must."""
    if num_work_orders == num_tasks:
        return tasks
    if tasks == num_tasks:
        return num_work_orders
    return num_work_orders * tasks // num_tasks if tasks > 0 else 0


@compiled
def num_done(world: World, slot: int) -> int:
    """Completed work orders of an operator."""
    operator = world.operators[slot]
    if operator.root < 0:
        return 0
    root = world.operators[operator.root]
    return part_of(operator.num_work_orders, root.num_done, root.num_tasks)


@compiled
def num_claimed(world: World, slot: int) -> int:
    """Work orders of an operator that run or are done."""
    operator = world.operators[slot]
    if operator.root < 0:
        return 0
    root = world.operators[operator.root]
    return part_of(operator.num_work_orders, root.next_task, root.num_tasks)


@compiled
def num_unclaimed(world: World, slot: int) -> int:
    """Work orders of an operator that have not been started."""
    return world.operators[slot].num_work_orders - num_claimed(world, slot)


@compiled
def num_executors(world: World, slot: int) -> int:
    """Executors that work on an operator's pipeline."""
    operator = world.operators[slot]
    if operator.root < 0:
        return 0
    root = world.operators[operator.root]
    return root.next_task - root.num_done


@compiled
def observed_share(world: World, slot: int) -> float:
    """Share of a started operator in the base work of the tasks of its pipeline that are done."""
    root = world.operators[world.operators[slot].root]
    if root.num_members == 1:
        return 1.0
    if root.num_done == 0:
        return 0.0
    total, member = 0, world.operators[slot].root
    while member != NONE:
        total += world.operators[member].done_base_us
        member = world.operators[member].next_member
    return world.operators[slot].done_base_us / total


@compiled
def observed_busy_us(world: World, slot: int) -> float:
    """Executor time of completed work orders of an operator, µs."""
    root = world.operators[slot].root
    if root < 0:
        return 0.0
    return world.operators[root].busy_us * observed_share(world, slot)


@compiled
def history_of(world: World, query: int) -> int:
    """Index of the completed runs of a query's template, else of its plan; -1 if none are known."""
    if not world.cluster[0].has_history:
        return NONE
    template, plan = world.queries[query].template, world.queries[query].plan
    if template >= 0 and world.history[template].num_completed > 0:
        return template
    return plan if world.history[plan].num_completed > 0 else NONE


@compiled
def correction(world: World) -> float:
    """Observed ÷ estimated work over all completed queries; 1 before the first."""
    run = world.run[0]
    if run.estimated_work_us <= 0.0:
        return 1.0
    return run.observed_work_us / run.estimated_work_us


@compiled
def history_work_order_us(world: World, slot: int, known: int) -> float:
    """Time of an operator's work order in completed runs, see ``history_of``, µs."""
    operator = world.operators[slot]
    past = world.history_operators[world.history[known].first_operator + operator.index]
    return past.busy_us / past.num_recorded * operator.recorded_per_work_order


@compiled
def work_order_us(world: World, slot: int, size: int) -> float:
    """Time of an operator's work order, by one of the three sources, µs."""
    operator = world.operators[slot]
    estimate = operator.est_work_order_us
    if size == ESTIMATE:
        return estimate
    if size == HISTORY:
        known = history_of(world, operator.query)
        if known != NONE:
            return history_work_order_us(world, slot, known)
        estimate *= correction(world)
    done = num_done(world, slot)
    return observed_busy_us(world, slot) / done if done else estimate


@compiled
def operator_remaining_us(world: World, slot: int, size: int) -> float:
    """Work of an operator that is not done, µs."""
    operator = world.operators[slot]
    if operator.is_complete:
        return 0.0
    left = operator.num_work_orders - num_done(world, slot)
    return left * work_order_us(world, slot, size)


@compiled
def remaining_us(world: World, query: int, size: int) -> float:
    """Work of a query that is not done, by one of the three sources, µs."""
    base = world.queries[query].base_slot
    total = 0.0
    for slot in range(base, base + world.queries[query].num_operators):
        total += operator_remaining_us(world, slot, size)
    return total


@compiled
def total_us(world: World, query: int, size: int) -> float:
    """Predicted work of a whole query, done or not, µs."""
    base, total = world.queries[query].base_slot, 0.0
    for slot in range(base, base + world.queries[query].num_operators):
        total += world.operators[slot].num_work_orders * work_order_us(world, slot, size)
    return total


@compiled
def usable_executors(world: World, query: int) -> int:
    """Executors that a query could hold now: those it holds and one per unclaimed work order."""
    base, total = world.queries[query].base_slot, world.queries[query].num_held
    for slot in range(base, base + world.queries[query].num_operators):
        if is_schedulable(world, slot):
            total += num_unclaimed(world, slot)
    return total


@compiled_allocating
def critical_paths_us(world: World, query: int, size: int) -> np.ndarray:
    """Of each operator, the work not done on the heaviest path from it to the end, µs."""
    base, count = world.queries[query].base_slot, world.queries[query].num_operators
    first = world.plans[world.queries[query].plan].first_operator
    paths = np.empty(count, np.float64)
    for operator in range(count):
        paths[operator] = operator_remaining_us(world, base + operator, size)
    for place in range(count - 1, -1, -1):
        operator = world.plan_operators[first + place].topological
        planned = world.plan_operators[first + operator]
        heaviest = 0.0
        for at in range(planned.first_consumer, planned.first_consumer + planned.num_consumers):
            heaviest = max(heaviest, paths[world.neighbours[at]])
        paths[operator] += heaviest
    return paths


@compiled
def est_state_bytes(world: World, slot: int) -> int:
    """Estimated bytes of the state that an operator builds."""
    operator = world.operators[slot]
    planned = world.plan_operators[operator.plan_operator]
    return estimated_bytes(planned.est_state_bytes, operator.byte_factor)


@compiled
def est_output_bytes(world: World, slot: int) -> int:
    """Estimated bytes of an operator's output."""
    operator = world.operators[slot]
    planned = world.plan_operators[operator.plan_operator]
    return estimated_bytes(planned.est_output_bytes, operator.byte_factor)


@compiled
def claimed_bytes(world: World, query: int) -> int:
    """Memory that a query holds or will want: held where it is built, estimated where it is not."""
    base, total = world.queries[query].base_slot, 0
    for slot in range(base, base + world.queries[query].num_operators):
        held = world.operators[slot].grown_bytes
        if not world.operators[slot].is_complete:
            held = max(held, est_state_bytes(world, slot))
        total += held
    return total


@compiled_allocating
def arrival_order(world: World) -> np.ndarray:
    """Slots of the queries in the system, in order of arrival."""
    run = world.run[0]
    order = np.empty(run.num_active, np.int64)
    slot = run.first_active
    for place in range(run.num_active):
        order[place] = slot
        slot = world.queries[slot].after
    return order
