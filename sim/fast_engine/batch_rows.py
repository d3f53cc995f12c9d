"""The columns of one simulation of a batch: what schedulers may know of it (R10).

Row by row what ``sim.view`` shows one by one. Names of columns: ``sim.batch_fields``.
"""

from __future__ import annotations

import numpy as np

from sim.fast_engine import observed
from sim.fast_engine.batch_layout import Batch
from sim.fast_engine.compile import compiled
from sim.fast_engine.layout import NONE, World


@compiled
def fill_simulation(batch: Batch, world: World, row: int) -> None:
    """Write the rows of a simulation and of all that is in its system."""
    run, at = world.run[0], batch.simulations_simulation[row]
    batch.simulations_now_us[row] = run.now_us
    batch.simulations_num_executors[row] = run.num_executors
    batch.simulations_num_free[row] = run.num_free
    batch.simulations_correction[row] = observed.correction(world)
    for node in range(len(world.nodes)):
        batch.simulations_num_executors_on[row, node] = world.nodes[node].num_executors
        batch.simulations_memory_used_bytes[row, node] = world.nodes[node].used_bytes
    query, operator = batch.query_offsets[row], batch.operator_offsets[row]
    edge, slot = batch.edge_offsets[row], run.first_active
    while slot != NONE:
        _fill_query(batch, world, slot, query)
        batch.queries_simulation[query] = row
        batch.queries_first_operator[query] = operator
        batch.queries_plan[query] += batch.first_plans[at]
        _fill_operators(batch, world, slot, query, batch.first_plan_operators[at])
        _fill_paths(batch, world, slot, operator)
        edge = _fill_edges(batch, world, slot, operator, edge)
        query += 1
        operator += world.queries[slot].num_operators
        slot = world.queries[slot].after


@compiled
def _fill_query(batch: Batch, world: World, slot: int, row: int) -> None:
    """What is known of a query itself."""
    query = world.queries[slot]
    batch.queries_num_operators[row] = query.num_operators
    batch.queries_slot[row] = slot
    batch.queries_serial[row] = query.serial
    batch.queries_query_id[row] = query.query_id
    batch.queries_plan[row] = query.plan
    batch.queries_tenant[row] = query.tenant
    batch.queries_query_class[row] = query.query_class
    batch.queries_size_factor[row] = query.size_factor
    batch.queries_arrival_us[row] = query.arrival_us
    batch.queries_start_us[row] = query.start_us
    batch.queries_num_executors[row] = query.num_held
    batch.queries_num_local_free[row] = query.num_local_free
    known = observed.history_of(world, slot)
    batch.queries_num_past_runs[row] = 0 if known == NONE else world.history[known].num_completed


@compiled
def _fill_operators(
    batch: Batch, world: World, slot: int, query_row: int, first_plan_operator: int
) -> None:
    """The operators of a query, and sums over them."""
    base, first = world.queries[slot].base_slot, batch.queries_first_operator[query_row]
    known, correction = observed.history_of(world, slot), observed.correction(world)
    busy_us = memory_bytes = est_state_bytes = 0
    est_us = observed_us = history_us = 0.0
    for index in range(world.queries[slot].num_operators):
        row = first + index
        operator = world.operators[base + index]
        batch.operators_query[row] = query_row
        batch.operators_slot[row] = base + index
        batch.operators_index[row] = index
        batch.operators_plan_operator[row] = first_plan_operator + operator.plan_operator
        batch.operators_kind[row] = batch.kinds[first_plan_operator + operator.plan_operator]
        batch.operators_root[row] = NONE if operator.root == NONE else first + operator.root - base
        batch.operators_memory_bytes[row] = operator.grown_bytes
        batch.operators_est_state_bytes[row] = observed.est_state_bytes(world, base + index)
        batch.operators_est_output_bytes[row] = observed.est_output_bytes(world, base + index)
        _fill_progress(batch, world, base + index, row)
        _fill_times(batch, world, base + index, row, known, correction)
        busy_us += operator.busy_us
        memory_bytes += operator.grown_bytes
        est_us += batch.operators_est_remaining_us[row]
        history_us += batch.operators_history_remaining_us[row]
        if not operator.is_complete:
            left = operator.num_work_orders - batch.operators_num_done[row]
            est_state_bytes += batch.operators_est_state_bytes[row]
            observed_us += left * batch.operators_observed_work_order_us[row]
    batch.queries_busy_us[query_row] = busy_us
    batch.queries_memory_bytes[query_row] = memory_bytes
    batch.queries_est_state_bytes[query_row] = est_state_bytes
    batch.queries_est_remaining_us[query_row] = est_us
    batch.queries_observed_remaining_us[query_row] = observed_us
    batch.queries_history_remaining_us[query_row] = history_us


@compiled
def _fill_progress(batch: Batch, world: World, slot: int, row: int) -> None:
    """How far an operator is."""
    operator = world.operators[slot]
    num_work_orders, num_claimed, num_done, num_executors = operator.num_work_orders, 0, 0, 0
    if operator.root != NONE:
        root = world.operators[operator.root]
        num_claimed = observed.part_of(num_work_orders, root.next_task, root.num_tasks)
        num_done = observed.part_of(num_work_orders, root.num_done, root.num_tasks)
        num_executors = root.next_task - root.num_done
    batch.operators_num_work_orders[row] = num_work_orders
    batch.operators_num_unclaimed[row] = num_work_orders - num_claimed
    batch.operators_num_running[row] = num_claimed - num_done
    batch.operators_num_done[row] = num_done
    batch.operators_num_executors[row] = num_executors
    batch.operators_is_schedulable[row] = observed.is_schedulable(world, slot)
    batch.operators_is_started[row] = operator.root != NONE
    batch.operators_is_complete[row] = operator.is_complete != 0


@compiled
def _fill_times(
    batch: Batch, world: World, slot: int, row: int, known: int, correction: float
) -> None:
    """Times of an operator's work orders by each source, as ``observed.work_order_us`` has them.

    ``known``: see ``observed.history_of``.
    """
    operator = world.operators[slot]
    estimate = operator.est_work_order_us
    from_observed, from_history = estimate, estimate * correction
    num_done = batch.operators_num_done[row]
    if num_done > 0:
        from_observed = from_history = observed.observed_busy_us(world, slot) / num_done
    batch.operators_history_work_order_us[row] = np.nan
    if known != NONE:
        from_history = observed.history_work_order_us(world, slot, known)
        batch.operators_history_work_order_us[row] = from_history
    left = 0 if operator.is_complete else operator.num_work_orders - num_done
    batch.operators_est_work_order_us[row] = estimate
    batch.operators_observed_work_order_us[row] = from_observed
    batch.operators_est_remaining_us[row] = left * estimate
    batch.operators_history_remaining_us[row] = left * from_history


@compiled
def _fill_paths(batch: Batch, world: World, slot: int, first_row: int) -> None:
    """Critical paths of a query's operators."""
    query = world.queries[slot]
    first = world.plans[query.plan].first_operator
    for place in range(query.num_operators - 1, -1, -1):
        index = world.plan_operators[first + place].topological
        planned = world.plan_operators[first + index]
        estimated = from_history = 0.0
        for at in range(planned.first_consumer, planned.first_consumer + planned.num_consumers):
            consumer = first_row + world.neighbours[at]
            estimated = max(estimated, batch.operators_est_critical_path_us[consumer])
            from_history = max(from_history, batch.operators_history_critical_path_us[consumer])
        row = first_row + index
        batch.operators_est_critical_path_us[row] = (
            batch.operators_est_remaining_us[row] + estimated
        )
        batch.operators_history_critical_path_us[row] = (
            batch.operators_history_remaining_us[row] + from_history
        )


@compiled
def _fill_edges(batch: Batch, world: World, slot: int, first_row: int, edge: int) -> int:
    """The edges of a query's plan by consumer, breaking ones first; the row after the last."""
    query = world.queries[slot]
    first = world.plans[query.plan].first_operator
    for index in range(query.num_operators):
        planned = world.plan_operators[first + index]
        for at in range(planned.first_breaking, planned.first_breaking + planned.num_breaking):
            batch.edges_producer[edge] = first_row + world.neighbours[at]
            batch.edges_consumer[edge] = first_row + index
            batch.edges_is_breaking[edge] = True
            edge += 1
        for at in range(planned.first_streaming, planned.first_streaming + planned.num_streaming):
            batch.edges_producer[edge] = first_row + world.neighbours[at]
            batch.edges_consumer[edge] = first_row + index
            batch.edges_is_breaking[edge] = False
            edge += 1
    return edge
