"""Many simulations stepped side by side: the compiled part.

``run_many`` runs those that were answered to their next scheduling events. ``count_rows`` then says
how many rows the columns need, ``fill`` writes them (``batch_rows.py``), and ``answer`` checks and
installs schedules for many at once. A batch is one pointer to a table of its arrays
(``batch_layout.py``), in which there are the addresses of the simulations' own tables.
"""

from __future__ import annotations

import numpy as np

from sim.batch_schedule import FINE, IS_ANSWERED, LACKS_ROOM, NO_ROW
from sim.fast_engine import loop
from sim.fast_engine.batch_layout import ARRAYS, VIEW_ARRAYS, Batch
from sim.fast_engine.batch_rows import fill_simulation
from sim.fast_engine.compile import compiled
from sim.fast_engine.layout import NEVER, NONE, World
from sim.fast_engine.observed import is_schedulable
from sim.fast_engine.world import TableType, table_at, world_at
from sim.legality import MAX_DEGREE, MAX_UNTIL_US

GO_ON = -1
"""Status of a simulation that is to run on; others: why ``loop.run_on`` returned."""

BATCH = TableType("Batch", ARRAYS)
batch_at = table_at(BATCH)
"""The batch whose table is at an address."""
view_at = table_at(TableType("View", VIEW_ARRAYS))
"""The columns of a view whose table is at an address (``BatchView.address``), or of a batch."""


@compiled
def run_many(addresses: np.ndarray, statuses: np.ndarray) -> int:
    """Run each simulation that is to go on; how many of them stopped for anything but an event."""
    num_others = 0
    for at in range(len(addresses)):
        if statuses[at] == GO_ON:
            statuses[at] = loop.run_on(world_at(addresses[at]))
            if statuses[at] != loop.EVENT:
                num_others += 1
    return num_others


@compiled
def count_rows(batch: Batch) -> int:
    """Number those that await an answer, and their rows; how many there are."""
    num_rows = 0
    for at in range(len(batch.statuses)):
        if batch.statuses[at] != loop.EVENT:
            continue
        num_queries = num_operators = num_edges = 0
        world = world_at(batch.addresses[at])
        slot = world.run[0].first_active
        while slot != NONE:
            num_queries += 1
            num_operators += world.queries[slot].num_operators
            num_edges += _num_edges(world, slot)
            slot = world.queries[slot].after
        batch.simulations_simulation[num_rows] = at
        batch.query_offsets[num_rows + 1] = batch.query_offsets[num_rows] + num_queries
        batch.operator_offsets[num_rows + 1] = batch.operator_offsets[num_rows] + num_operators
        batch.edge_offsets[num_rows + 1] = batch.edge_offsets[num_rows] + num_edges
        num_rows += 1
    return num_rows


@compiled
def _num_edges(world: World, query: int) -> int:
    first, total = world.plans[world.queries[query].plan].first_operator, 0
    for at in range(first, first + world.queries[query].num_operators):
        total += world.plan_operators[at].num_producers
    return total


@compiled
def fill(batch: Batch, num_rows: int) -> None:
    """Write all columns; there must be room."""
    for row in range(num_rows):
        at = batch.simulations_simulation[row]
        fill_simulation(batch, world_at(batch.addresses[at]), row)


@compiled
def answer(
    batch: Batch,
    num_rows: int,
    is_answered: np.ndarray,
    allocations: np.ndarray,
    holds: np.ndarray,
    until_us: np.ndarray,
) -> int:
    """Check schedules and install them, if all of them are legal; see ``FINE`` and the others.

    Shapes:
        is_answered, until_us: (simulations,); what is not answered waits on.
        allocations: (3, allocations): operator, executors, pipeline degree.
        holds: (2, holds): query, executors.
    """
    num_queries = batch.query_offsets[num_rows]
    status = _check_simulations(batch, num_rows, is_answered, until_us)
    if status == FINE:
        status = _check_allocations(batch, num_rows, is_answered, allocations)
    if status == FINE:
        status = _check_holds(batch, num_queries, is_answered, holds)
    if status == FINE:
        _install(batch, num_rows, is_answered, allocations, until_us)
    for at in range(holds.shape[1]):
        if 0 <= holds[0, at] < num_queries:
            batch.holds[holds[0, at]] = NONE
    return status


@compiled
def _check_simulations(
    batch: Batch, num_rows: int, is_answered: np.ndarray, until_us: np.ndarray
) -> int:
    """Whether simulations await an answer, and timers keep the rules."""
    for row in range(num_rows):
        if not is_answered[row]:
            continue
        if batch.statuses[batch.simulations_simulation[row]] != loop.EVENT:
            return IS_ANSWERED
        if until_us[row] == NEVER:
            continue
        if until_us[row] <= batch.simulations_now_us[row] or until_us[row] > MAX_UNTIL_US:
            return row
    return FINE


@compiled
def _check_allocations(
    batch: Batch, num_rows: int, is_answered: np.ndarray, allocations: np.ndarray
) -> int:
    """Whether allocations keep the rules (R4, R5), and whether there is room for them."""
    for row in range(num_rows):
        batch.num_entries[row] = 0
    for at in range(allocations.shape[1]):
        operator = allocations[0, at]
        if operator < 0 or operator >= batch.operator_offsets[num_rows]:
            return NO_ROW
        row = batch.queries_simulation[batch.operators_query[operator]]
        if not is_answered[row]:
            return NO_ROW
        world = world_at(batch.addresses[batch.simulations_simulation[row]])
        limit, degree = allocations[1, at], allocations[2, at]
        if limit < 1 or limit > world.cluster[0].num_executors:
            return row
        if degree < 1 or degree > MAX_DEGREE:
            return row
        if not is_schedulable(world, batch.operators_slot[operator]):
            return row
        batch.num_entries[row] += 1
    for row in range(num_rows):
        world = world_at(batch.addresses[batch.simulations_simulation[row]])
        if batch.num_entries[row] > len(world.entries):
            return LACKS_ROOM
    return FINE


@compiled
def _check_holds(batch: Batch, num_queries: int, is_answered: np.ndarray, holds: np.ndarray) -> int:
    """Whether holds keep the rules; notes them by query."""
    for at in range(holds.shape[1]):
        query, num_executors = holds[0, at], holds[1, at]
        if query < 0 or query >= num_queries:
            return NO_ROW
        row = batch.queries_simulation[query]
        if not is_answered[row]:
            return NO_ROW
        world = world_at(batch.addresses[batch.simulations_simulation[row]])
        if num_executors < 0 or num_executors > world.cluster[0].num_executors:
            return row
        if batch.holds[query] != NONE:
            return row
        batch.holds[query] = num_executors
    return FINE


@compiled
def _install(
    batch: Batch,
    num_rows: int,
    is_answered: np.ndarray,
    allocations: np.ndarray,
    until_us: np.ndarray,
) -> None:
    """Hand the schedules over, each simulation's allocations in their order."""
    for row in range(num_rows):
        if is_answered[row]:
            at = batch.simulations_simulation[row]
            batch.statuses[at] = GO_ON
            run = world_at(batch.addresses[at]).run[0]
            run.num_entries, run.has_holds, run.timer_us = 0, 0, until_us[row]
    for at in range(allocations.shape[1]):
        operator = allocations[0, at]
        query = batch.operators_query[operator]
        row = batch.queries_simulation[query]
        world = world_at(batch.addresses[batch.simulations_simulation[row]])
        entry = world.entries[world.run[0].num_entries]
        world.run[0].num_entries += 1
        entry.root, entry.slot = batch.operators_slot[operator], batch.queries_slot[query]
        entry.limit, entry.degree = allocations[1, at], allocations[2, at]
    for query in range(batch.query_offsets[num_rows]):
        if batch.holds[query] != NONE:
            row = batch.queries_simulation[query]
            world = world_at(batch.addresses[batch.simulations_simulation[row]])
            world.run[0].has_holds = 1
            world.queries[batch.queries_slot[query]].hold = batch.holds[query]
