"""The schedules of a rule whose quantities are corrected.

With all corrections 0 they are those of the rule itself (``sim.schedulers``).
"""

from __future__ import annotations

import math

import numpy as np

from lsched.learn.config import DEGREES
from lsched.learn.inference.observation import Observation
from lsched.learn.inference.state import State
from lsched.learn.inference.supply import Supply, best_count, most_executors
from lsched.learn.inference.tables import NUM_ALLOCATIONS, Table
from lsched.learn.rule import (
    BEST_DEGREE,
    BY_ARRIVAL,
    BY_PRICE,
    CAP,
    DEGREE,
    HAS_SHARES,
    IS_GATED,
    IS_SHORTEST_FIRST,
    IS_SPARE_SHARED,
    OFFSET,
    ORDER,
    SHARE,
    SLOWDOWN,
    WEIGHT,
    P,
)
from sim.fast_engine.compile import compiled, compiled_allocating
from sim.fast_engine.rules.hesrpt import rounded, shares_of
from sim.schedulers import common

URGENCY, WAIT, FIRST_DEGREE = range(3)
PARALLELISM_OF_OPERATOR = FIRST_DEGREE + len(DEGREES)
"""Rows of corrections of operators."""
ORDER_OF_QUERIES, PARALLELISM, HOLD, ADMISSION, SPARE = range(5)
"""Likewise, of queries."""
MOST = 8.0
"""The largest logarithm of a factor: nothing overflows."""
WAITS = 0.8
"""An operator waits if its correction is larger: no farther than training's noise can reach."""
DEVIATES = 0.4
"""The same where executors have a price, and waiting is half of what there is to decide; there an
operator that has executors is as urgent as one without if its correction is larger."""
OWN_DEGREE = 0.8
"""How much the rule's own degree is preferred."""
PLAN_STEP = 0.5
"""Where operators run in the plan's order: the logarithm of one's urgency ÷ that of the next."""
_fair_limit, _part_of = compiled(common.fair_limit), compiled(common.part_of)


@compiled
def factor(correction: float) -> float:
    """exp(correction), 1 for exactly 0."""
    return math.exp(min(max(correction, -MOST), MOST))


@compiled_allocating
def query_order(
    view: Table, policy: Table, seen: Observation, state: State, queries: np.ndarray
) -> np.ndarray:
    """Queries, most urgent first; equals by arrival."""
    keys = np.empty(len(state.remaining_us), np.float64)
    for query in range(len(keys)):
        own = query + 1.0 if policy.rule[ORDER] == BY_ARRIVAL else state.remaining_us[query]
        keys[query] = own * factor(queries[ORDER_OF_QUERIES, query])
    return np.argsort(keys, kind="mergesort")


@compiled_allocating
def admitted(
    view: Table,
    policy: Table,
    place: Table,
    seen: Observation,
    order: np.ndarray,
    queries: np.ndarray,
) -> np.ndarray:
    """Those of ``order`` that may run, see ``Listing.admitted``."""
    room = place.budget_bytes[0]
    if not policy.rule[IS_GATED] or room <= 0.0:
        return order
    is_empty, is_open, count = True, True, 0
    claims = np.zeros(len(order), np.float64)
    first, last = view.operator_offsets[seen.simulation : seen.simulation + 2]
    for row in range(first, last):
        held, query = view.operators_memory_bytes[row], view.operators_query[row] - seen.first_query
        if not view.operators_is_complete[row]:
            held = max(held, view.operators_est_state_bytes[row])
        claims[query] += held
    for query in order:
        if view.queries_start_us[seen.first_query + query] >= 0:
            room -= claims[query]
            is_empty = False
    let_in = np.empty(len(order), np.int64)
    for query in order:
        is_in = view.queries_start_us[seen.first_query + query] >= 0
        if not is_in and is_open:
            room -= claims[query] * factor(queries[ADMISSION, query])
            is_open = room >= 0.0
            is_in = is_open or is_empty
            is_empty = False
        if is_in:
            let_in[count] = query
            count += 1
    return let_in[:count]


@compiled_allocating
def root_order(
    view: Table,
    policy: Table,
    seen: Observation,
    state: State,
    query: int,
    operators: np.ndarray,
) -> np.ndarray:
    """What may run of a query, most urgent first: columns of the observation."""
    columns = np.empty(state.first[query + 1] - state.first[query], np.int64)
    keys = np.empty(len(columns), np.float64)
    count = 0
    for column in range(state.first[query], state.first[query + 1]):
        row = seen.row[column]
        if not view.operators_is_schedulable[row]:
            continue
        urgency = factor(operators[URGENCY, column])
        if policy.rule[ORDER] == BY_PRICE:
            urgency *= max(state.path_us[column], 1.0)
            # Those without executors come first.
            if view.operators_num_executors[row] > 0 and operators[URGENCY, column] <= DEVIATES:
                urgency *= 1e-30
        elif policy.rule[IS_SHORTEST_FIRST]:
            left = view.operators_num_work_orders[row] - view.operators_num_done[row]
            urgency /= max(left * state.work_order_us[column], 1e-9)
        else:
            urgency *= math.exp(-PLAN_STEP * count)
        columns[count], keys[count] = column, -urgency
        count += 1
    return columns[:count][np.argsort(keys[:count], kind="mergesort")]


@compiled_allocating
def put_by_limit(
    view: Table,
    policy: Table,
    place: Table,
    seen: Observation,
    state: State,
    admitted_queries: np.ndarray,
    operators: np.ndarray,
    queries: np.ndarray,
    answer: Table,
) -> None:
    """Write allocations with a limit for each query; 0: only what is left over is for it."""
    full, num_queries = view.simulations_num_executors[seen.simulation], len(admitted_queries)
    has_shares = policy.rule[HAS_SHARES] > 0.0
    limits, exact = np.empty(0, np.int64), np.empty(0, np.float64)
    if has_shares:
        exact = shares_of(num_queries, policy.rule[P], full)
        limits = rounded(exact, full)
    limit = float(full)
    if policy.rule[CAP] > 0.0:
        limit = _part_of(full, policy.rule[CAP])
    elif policy.rule[SHARE] > 0.0:
        limit = _fair_limit(full, num_queries, policy.rule[SHARE])
    begin, rounding = answer.counts[NUM_ALLOCATIONS], 0.0
    for rank in range(num_queries):
        query = admitted_queries[rank]
        if has_shares:
            limit, rounding = exact[rank], limits[rank] - exact[rank]
        for column in root_order(view, policy, seen, state, query, operators):
            if not waits(view, place, seen, column, operators, WAITS, answer, begin):
                more = queries[PARALLELISM, query] + operators[PARALLELISM_OF_OPERATOR, column]
                own = min(int(np.rint(limit * factor(more) + rounding)), full)
                least = 0 if has_shares and answer.counts[NUM_ALLOCATIONS] > begin else 1
                put(policy, place, view, seen, column, max(own, least), operators, answer)


@compiled_allocating
def put_by_price(
    view: Table,
    policy: Table,
    place: Table,
    seen: Observation,
    state: State,
    supply: Supply,
    admitted_queries: np.ndarray,
    operators: np.ndarray,
    queries: np.ndarray,
    answer: Table,
) -> None:
    """Write allocations with as many executors as are worth their price, as ``priced``."""
    full = view.simulations_num_executors[seen.simulation]
    num_others = len(state.remaining_us) - 1
    usual = policy.rule[WEIGHT] * (num_others + policy.rule[OFFSET]) / full
    room, begin = supply.room[0], answer.counts[NUM_ALLOCATIONS]
    is_sticky = place.is_sticky[0]
    for query in admitted_queries:
        price = usual * factor(-queries[PARALLELISM, query])
        most = most_executors(policy.rule[SLOWDOWN], price, full)
        limit = supply.committed[query]
        if room + supply.kept[query] <= 0 or limit >= most:
            continue
        for column in root_order(view, policy, seen, state, query, operators):
            if waits(view, place, seen, column, operators, DEVIATES, answer, begin):
                continue
            row = seen.row[column]
            count = best_count(
                view.operators_num_unclaimed[row],
                state.work_order_us[column],
                view.operators_num_executors[row] if is_sticky else 0,
                supply.local[query],
                min(room + supply.kept[query], most - limit),
                price * factor(-operators[PARALLELISM_OF_OPERATOR, column]),
                place.move_delay_us[0],
            )
            if count:
                limit += count
                from_own = min(count, supply.kept[query])
                supply.kept[query] -= from_own
                room -= count - from_own
                supply.local[query] = max(supply.local[query] - count, 0)
                put(policy, place, view, seen, column, limit, operators, answer)


@compiled
def waits(
    view: Table,
    place: Table,
    seen: Observation,
    column: int,
    operators: np.ndarray,
    most: float,
    answer: Table,
    begin: int,
) -> bool:
    """Whether an operator is left out, as its correction is larger than ``most``.

    Not if it were the first in the schedule, unless there will be an event in any case: where
    executors stick to their pipelines, that is so while one runs (R6).
    """
    if operators[WAIT, column] <= most:
        return False
    num_free = view.simulations_num_free[seen.simulation]
    is_running = num_free < view.simulations_num_executors[seen.simulation]
    return bool((place.is_sticky[0] and is_running) or answer.counts[NUM_ALLOCATIONS] > begin)


@compiled
def put(
    policy: Table,
    place: Table,
    view: Table,
    seen: Observation,
    column: int,
    limit: int,
    operators: np.ndarray,
    answer: Table,
) -> None:
    """Append an allocation."""
    at, row = answer.counts[NUM_ALLOCATIONS], seen.row[column]
    answer.allocations[0, at], answer.allocations[1, at] = row, limit
    answer.allocations[2, at] = _degree(policy, place, view, row, column, operators, answer)
    answer.counts[NUM_ALLOCATIONS] += 1


@compiled
def _degree(
    policy: Table,
    place: Table,
    view: Table,
    row: int,
    column: int,
    operators: np.ndarray,
    answer: Table,
) -> int:
    """The rule's pipeline degree, or another where a pipeline begins that could have one."""
    own = int(policy.rule[DEGREE])
    if own == BEST_DEGREE:
        own = answer.degrees[row]
    can_be_longer = place.pipeline_next[view.operators_plan_operator[row]] >= 0
    if not can_be_longer or view.operators_is_started[row]:
        return own
    best, most = own, -math.inf
    if own not in DEGREES:
        most = OWN_DEGREE
    for at in range(len(DEGREES)):
        worth = operators[FIRST_DEGREE + at, column]
        if DEGREES[at] == own:
            worth += OWN_DEGREE
        if worth > most:
            best, most = DEGREES[at], worth
    return best


@compiled
def put_spare(
    policy: Table, view: Table, seen: Observation, queries: np.ndarray, begin: int, answer: Table
) -> None:
    """After all others, once more with all executors, where the rule shares what is left over."""
    if not policy.rule[IS_SPARE_SHARED]:
        return
    full = view.simulations_num_executors[seen.simulation]
    end = answer.counts[NUM_ALLOCATIONS]
    for at in range(begin, end):
        query = view.operators_query[answer.allocations[0, at]] - seen.first_query
        limit = min(int(np.rint(full * factor(queries[SPARE, query]))), full)
        if answer.allocations[1, at] < limit:
            to = answer.counts[NUM_ALLOCATIONS]
            answer.allocations[0, to] = answer.allocations[0, at]
            answer.allocations[1, to] = limit
            answer.allocations[2, to] = answer.allocations[2, at]
            answer.counts[NUM_ALLOCATIONS] += 1


@compiled
def drop_empty(begin: int, answer: Table) -> None:
    """Take out the allocations from ``begin`` on that have a limit of 0."""
    to = begin
    for at in range(begin, answer.counts[NUM_ALLOCATIONS]):
        if answer.allocations[1, at] > 0:
            for row in range(len(answer.allocations)):
                answer.allocations[row, to] = answer.allocations[row, at]
            to += 1
    answer.counts[NUM_ALLOCATIONS] = to
