"""Queues of the textbooks as traces of one operator on clusters without overheads.

First in first out: a query is one work order of its size. Where service is shared or preempted, a
query is as many equal work orders, its *slices*, as its size asks for, and the executor may change
after each.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np

from lsched.validate.controls import controls
from lsched.validate.meter import Meter
from lsched.validate.recursions import first_come_waits
from lsched.validate.system import System
from sim import Allocation, Cluster, ClusterView, Schedule, Simulation, make_scheduler
from sim.registry import Scheduler
from traces import Operator, Plan, Query, Trace

MEAN_US = 1_000_000
"""Mean size of a query, before rounding to whole slices."""
SIZE_BINS = (0.0, 0.5, 1.0, 2.0, np.inf)
"""Ends of the ranges of sizes, in mean sizes, for which slowdowns are measured."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run says, in units of the mean size.

    Attributes:
        figures: means over the queries after the warm-up: ``wait``, ``sojourn``, and with slices
            ``slowdown`` by range of size.
        controls: what is known of the luck of the arrivals: means less their expectations.
        utilization: share of time that executors were busy, in a span that is fixed beforehand,
            as between two arrivals it would be a little too high: short spans are busy ones.
        obeys_little: whether the integral of queries in the system over time is the sum of all
            latencies, to the microsecond.
        is_exact: first in first out: whether every query waits as long as the recursion over
            arrivals says, to the microsecond.
    """

    figures: dict[str, float]
    controls: tuple[float, ...]
    utilization: float
    obeys_little: bool
    is_exact: bool | None = None


class TimeSlices:
    """Round robin on one executor: a work order for each query in turn, new queries last.

    With ever smaller work orders it becomes processor sharing.
    """

    def __init__(self, slice_us: int) -> None:
        self._slice_us = slice_us
        self._turns: list[int] = []
        self._since_us = 0

    def decide(self, view: ClusterView) -> Schedule:
        """Answer a scheduling event."""
        queries = {query.query_id: query for query in view.queries}
        turns = [query_id for query_id in self._turns if query_id in queries]
        turns += [query_id for query_id in queries if query_id not in self._turns]
        if view.num_free:
            if turns[0] in self._turns[:1]:  # it has had its slice
                turns.append(turns.pop(0))
            self._since_us = view.now_us
        self._turns = turns
        # With one query there is nothing to rotate: slices follow each other without a timer.
        full_slices = (view.now_us - self._since_us) // self._slice_us
        ends_us = self._since_us + (full_slices + 1) * self._slice_us
        allocations = [Allocation(operator, 1) for operator in queries[turns[0]].schedulable]
        return Schedule(allocations, until_us=ends_us if len(turns) > 1 else None)


def run(system: System, *, num_queries: int, num_warm_up: int, seed: int, number: int) -> Sample:
    """Simulate one replication.

    Args:
        system: what to simulate.
        num_queries: queries that count.
        num_warm_up: queries before them, which start with an empty system. A quarter as many come
            after them, as what arrives later may delay those that count.
        seed: of the study.
        number: of the replication.
    """
    key = zlib.crc32(repr(system).encode())
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key, number)))
    total = num_warm_up + num_queries + num_warm_up // 4
    counted = slice(num_warm_up, num_warm_up + num_queries)
    mean_size, _ = system.size_moments()
    sizes = system.service.draw(generator, total)
    if system.slice_size:
        sizes = np.maximum(np.rint(sizes / system.slice_size), 1) * system.slice_size
    mean_gap = mean_size / (system.load * system.num_executors)
    arrivals = np.cumsum(generator.exponential(mean_gap, total))
    simulation = Simulation(
        _trace(system, arrivals, sizes),
        Cluster(executors_per_node=system.num_executors),
        record_events=True,
        history=False,
    )
    # Arrivals go on until the end of the span, but for once in a million runs.
    num_gaps = (num_warm_up, total - 5 * math.sqrt(total))
    start_us, end_us = (round(number * mean_gap * MEAN_US) for number in num_gaps)
    meter = Meter(start_us, end_us)
    scheduler, events = _scheduler(system), simulation.events
    assert events is not None
    while (view := simulation.next_event()) is not None:
        simulation.apply(scheduler.decide(view))
        meter.read(events)
        events.clear()
    meter.read(events)
    records = sorted(simulation.records, key=lambda record: record.query_id)
    unit_us = MEAN_US * mean_size
    latencies_us = [round(record.latency_s * 1e6) for record in records]
    waits_us = [round(record.queueing_s * 1e6) for record in records]
    sojourns = np.array(latencies_us[counted]) / unit_us
    waits = np.array(waits_us[counted]) / unit_us
    figures = {"wait": float(waits.mean()), "sojourn": float(sojourns.mean())}
    if system.slice_size:
        figures |= _slowdowns(sojourns, sizes[counted] / mean_size)
    works_us = [round(record.work_s * 1e6) for record in records]
    arrivals_us = [query.arrival_us for query in simulation.trace.queries]
    return Sample(
        figures=figures,
        controls=controls(system, arrivals / mean_size, sizes / mean_size, counted),
        utilization=meter.busy_us / (end_us - start_us) / system.num_executors,
        obeys_little=meter.integral_us == sum(latencies_us),
        is_exact=waits_us == first_come_waits(arrivals_us, works_us, system.num_executors)
        if system.rule == "fifo"
        else None,
    )


def _trace(system: System, arrivals: np.ndarray, sizes: np.ndarray) -> Trace:
    unit_us = round((system.slice_size or 1.0) * MEAN_US)
    operator = Operator(kind="other", num_work_orders=1, work_order_us=(unit_us,))
    plan = Plan(name="query", operators=(operator,))
    is_sliced = bool(system.slice_size)
    queries = tuple(
        Query(
            query_id=index,
            plan=plan.name,
            arrival_us=round(arrival * MEAN_US),
            size_factor=size / system.slice_size if is_sliced else 1.0,
            time_factor=1.0 if is_sliced else max(size, 1 / MEAN_US),
        )
        for index, (arrival, size) in enumerate(zip(arrivals.tolist(), sizes.tolist(), strict=True))
    )
    return Trace(name="queue", plans=(plan,), queries=queries)


def _scheduler(system: System) -> Scheduler:
    if system.rule == "slices":
        return TimeSlices(round(system.slice_size * MEAN_US))
    return make_scheduler(system.rule)


def _slowdowns(sojourns: np.ndarray, sizes: np.ndarray) -> dict[str, float]:
    """Mean sojourn ÷ size by range of size; ranges without queries are left out."""
    slowdowns, places = sojourns / sizes, np.digitize(sizes, SIZE_BINS) - 1
    return {
        f"slowdown {place}": float(slowdowns[places == place].mean())
        for place in range(len(SIZE_BINS) - 1)
        if (places == place).any()
    }
