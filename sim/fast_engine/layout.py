"""The arrays that a compiled simulation lives in: one record per thing.

Names are those of the other engine. Whole numbers have 64 bits. An index of -1 means none.
Operators of the queries in the system have a *slot* each, a query's in one block; slots are reused,
so memory depends on how many queries are there at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

INT, FLOAT = np.dtype(np.int64), np.dtype(np.float64)
NONE = -1
NO_RULE = -1
"""The scheduler is not compiled."""
LACKS_OPERATORS, LACKS_QUERIES, LACKS_TIMES = 1, 2, 4
"""What is too small for the next arrival: bits of ``lacks``."""
NEVER = (1 << 63) - 1
"""An instant that does not come."""
NOWHERE = 1 << 60
"""Place in the standing schedule of what is not in it: after all that is."""


def _record(whole: str, real: str = "") -> np.dtype:
    fields = [(name, INT) for name in whole.split()] + [(name, FLOAT) for name in real.split()]
    return np.dtype(fields)


PLAN = _record("num_operators first_operator has_any_waves num_recorded num_ways isolated_us")
"""A plan: its operators are ``first_operator`` and those after it; ``num_recorded`` is the number
of recorded times of all of them.

``num_ways``: in how many ways its operators may run (sim/fast_engine/isolated.py).
``isolated_us``: bound B1 of queries whose work orders take the recorded times, once it is known.
"""

PLAN_OPERATOR = _record(
    # Recorded times are ``times[first_time : first_time + num_times]``.
    "num_work_orders is_scalable first_time num_times has_waves has_fresh first_wave num_waves "
    # Index in the plan of the operator that it can be pipelined with (-1: none).
    "pipeline_next has_streaming_output is_probe topological "
    # Spans of ``neighbours``, which has indices in the plan: all producers, those behind
    # breaking edges, those behind others, consumers.
    "first_producer num_producers first_breaking num_breaking first_streaming num_streaming "
    "first_consumer num_consumers "
    "output_bytes state_bytes est_output_bytes est_state_bytes",
    "contention memory_boundness est_recorded_us",
)
"""An operator of a plan. ``topological``: the operator's index at this place of the topological
order."""

WAVE = _record(
    "num_executors first_fresh num_fresh first_first num_first first_rest num_rest",
)
"""A profile at one number of executors: spans of ``wave_times``."""

SPEEDUP = _record("is_linear", "total")
"""Of an operator of a plan, or of all operators of a plan together (sim/bounds/speedup.py)."""

CLUSTER = _record(
    "num_nodes executors_per_node num_executors end_us is_sticky "
    "move_delay_us move_across_delay_us warm_up_us work_orders_per_batch "
    "is_plain is_contextual is_tracked is_logged has_history "
    "has_intermediate has_network has_cache has_memory memory_bytes seed",
    "coherency interference intermediate_bytes_per_s network_bytes_per_s cache_bytes "
    "spill_bytes_per_s max_spill_factor",
)
"""What does not change during a run; ``has_x``: whether bandwidth or budget x is limited."""

ARRIVAL = _record(
    "arrival_us query_id plan template tenant query_class is_too_large", "size_factor time_factor"
)
"""A query that is to arrive, but is not let in if it ``is_too_large``; ``template``: its template's
history, -1: that of its plan only; ``tenant`` and ``query_class``: indices in lists of names
(``shared.py``)."""

CHANGE = _record("time_us executor is_joining")
"""An executor that leaves or joins; those of one instant stand together (R13)."""

RUN = _record(
    "now_us phase has_begun num_schedules num_executors executor_time_us total_us since_us "
    "next_arrival num_arrivals is_last_arrival next_change num_changes is_last_change timer_us "
    "is_event num_active first_active last_active num_idle "
    "num_free first_free last_free num_armed sequence "
    "num_entries cursor has_holds num_finished num_going_on num_log num_completed "
    "num_operator_slots num_query_slots free_query_slot num_times "
    "first_returned num_returned memory_bytes peak_memory_bytes fault_slot "
    "serial lacks schedule_clocks num_judged",
    "observed_work_us estimated_work_us",
)
"""Counters of the run, a single record.

``num_operator_slots``, ``num_query_slots``, ``num_times``: so many elements have ever been in use;
of these, some are in lists of free ones. ``free_query_slot``: a free slot, which has the next one
in ``after``. ``serial``: queries let in so far. ``num_judged``: queries told short or not so far.
"""

OPERATOR = _record(
    "num_tasks next_task num_done busy_us is_ready is_dry_noted is_complete root "
    "missing_producers missing_consumers position direct_limit "
    # What does not change: its query's slot, its place in the plan, its true work orders.
    "query index plan_operator num_work_orders num_recorded first_time first_uniform "
    "state_bytes output_bytes "
    # Of a member of a pipeline.
    "next_member probed_bytes done_base_us grant_bytes grown_bytes "
    # Of the root of a pipeline.
    "num_members is_plain has_waves warm_up_us all_probed_bytes "
    "num_untouched first_returned has_lost num_lost done_at_loss",
    "est_work_order_us recorded_per_work_order byte_factor touched_bytes true_left_us",
)
"""An operator of a query in the system; the first twelve as in the other engine's state.

``first_time``: its work orders' base times in ``times``. ``first_uniform``: the numbers that choose
among recorded times, likewise, if it has a profile. ``next_member``: slot of the operator after it
in its pipeline. ``done_base_us``: base time of its share of the tasks that are done.
``true_left_us``: of those that are not, see ``future.py``.
"""

OPERATOR_NODE = _record("tasks_on num_running_on held_bytes", "transfer_us")
"""An operator (for the last, a root) on a node."""

QUERY = _record(
    "serial query_id plan template arrival_us start_us base_slot num_operators num_incomplete "
    "num_held num_local_free first_position last_position hold delay_us lost_us isolated_us "
    "before after times_block times_class num_nodes_on tenant query_class is_short",
    "time_factor size_factor",
)
"""A query in the system; ``before`` and ``after``: its neighbours in order of arrival.

``times_block``: its block of ``times``, of 2 ** ``times_class`` elements; -1 if it has none.
``is_short``: whether it was predicted short when the rule ``reserve`` first saw it; -1 before that.
"""

EXECUTOR = _record("node is_there is_free root slot task wave delay_us duration_us before after")
"""An executor; ``before`` and ``after``: its neighbours in the pool, by when they became free."""

NODE = _record("num_executors num_busy cached_bytes used_bytes")

ARMED = _record("end_us sequence executor")
"""A completion to come: an element of a binary heap, by time and sequence number."""

ENTRY = _record("root slot limit degree following")
"""An allocation of the standing schedule; ``following``: the next place of the same query."""

RETURNED = _record("task after")
"""A task that was lost and is unclaimed again: in a list by index, from ``first_returned``."""

LOG = _record("time_us kind query_id operator task executor degree")

COMPLETED = _record(
    "serial completion_us start_us busy_us delay_us lost_us isolated_us num_work_orders"
)
"""A query that has completed since the arrays were last read."""

HISTORY = _record("num_completed first_operator num_operators")
"""Completed runs of a plan or a template; per operator in ``HISTORY_OPERATOR``."""

HISTORY_OPERATOR = _record("num_recorded", "busy_us")

JUDGED = _record("number", "work_us")
"""Predicted work of a query that the rule ``reserve`` has seen, the ``number``-th from 0 on."""

RULE = _record(
    "kind size memory_gate degree is_spare_shared limit_by keeps is_shortest_first sees_future",
    "limit weight offset slowdown hold_moves reserve short p",
)
"""A compiled scheduler and its parameters."""


class World(NamedTuple):
    """All arrays of one simulation. One-dimensional, but for those by operator or query and node.

    Attributes:
        speedups: one per operator of a plan, then one per plan.
        times: µs: recorded times of all plans, then blocks of queries in the system: base times of
            work orders, and numbers that choose among recorded times.
        returned: lost tasks.
        operator_blocks: by number of operators, a free block of slots of that size; a free block
            has the next one in ``root`` of its first operator.
        time_blocks: by binary logarithm of its size, a free block of ``times``, which has the next
            one in its first element.
        is_on: [query slot, node], whether the query has run on the node.
        known: [operator slot, executor ÷ 64], bits of the executors that have worked on a root.
        finished, going_on: executors, in order, at this instant.
        judged: the last queries that were told short or not, by predicted work.
    """

    run: np.ndarray
    cluster: np.ndarray
    plans: np.ndarray
    plan_operators: np.ndarray
    neighbours: np.ndarray
    waves: np.ndarray
    wave_times: np.ndarray
    speedups: np.ndarray
    times: np.ndarray
    arrivals: np.ndarray
    changes: np.ndarray
    operators: np.ndarray
    operator_nodes: np.ndarray
    queries: np.ndarray
    is_on: np.ndarray
    known: np.ndarray
    executors: np.ndarray
    nodes: np.ndarray
    armed: np.ndarray
    entries: np.ndarray
    returned: np.ndarray
    operator_blocks: np.ndarray
    time_blocks: np.ndarray
    finished: np.ndarray
    going_on: np.ndarray
    log: np.ndarray
    completed: np.ndarray
    history: np.ndarray
    history_operators: np.ndarray
    judged: np.ndarray
    rule: np.ndarray


ARRAYS: dict[str, tuple[np.dtype, int]] = {
    "run": (RUN, 1),
    "cluster": (CLUSTER, 1),
    "plans": (PLAN, 1),
    "plan_operators": (PLAN_OPERATOR, 1),
    "neighbours": (INT, 1),
    "waves": (WAVE, 1),
    "wave_times": (INT, 1),
    "speedups": (SPEEDUP, 1),
    "times": (INT, 1),
    "arrivals": (ARRIVAL, 1),
    "changes": (CHANGE, 1),
    "operators": (OPERATOR, 1),
    "operator_nodes": (OPERATOR_NODE, 2),
    "queries": (QUERY, 1),
    "is_on": (np.dtype(np.bool_), 2),
    "known": (INT, 2),
    "executors": (EXECUTOR, 1),
    "nodes": (NODE, 1),
    "armed": (ARMED, 1),
    "entries": (ENTRY, 1),
    "returned": (RETURNED, 1),
    "operator_blocks": (INT, 1),
    "time_blocks": (INT, 1),
    "finished": (INT, 1),
    "going_on": (INT, 1),
    "log": (LOG, 1),
    "completed": (COMPLETED, 1),
    "history": (HISTORY, 1),
    "history_operators": (HISTORY_OPERATOR, 1),
    "judged": (JUDGED, 1),
    "rule": (RULE, 1),
}
"""Types of the arrays and their numbers of dimensions."""
