"""How fast the simulator is: work orders per second, growth, memory, against a bare heap.

Run with ``make bench``. Each figure is the median of several runs in one process; machines differ
and vary, so compare the ratios.
"""

from __future__ import annotations

import heapq
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np

import sim
from traces import Edge, Operator, Plan, Query, Trace

REPEATS = 5
EXECUTORS = 50
PLAIN = sim.Cluster(executors_per_node=EXECUTORS, move_delay_us=2_000_000)
WAREHOUSE = sim.preset("warehouse-4x16").replace(
    work_orders_per_batch=1, memory_bytes=2_000_000, move_delay_us=2_000, spill_bytes_per_s=10**9
)
TWO = ("stage",) * 2
FOUR = ("stage",) * 4
FOUR_KINDS = ("scan", "build", "probe", "aggregate")
FULL = ("scan", "build", "scan", "probe", "aggregate")
EDGES = {
    2: (Edge(0, 1),),
    4: (Edge(0, 2), Edge(1, 2), Edge(2, 3)),
    5: (Edge(0, 1, False), Edge(1, 3), Edge(2, 3, False), Edge(3, 4, False)),
}
"""By number of operators: map and reduce; two leaves, a join, a result; the same in pipelines."""


def synthetic(num_queries: int, kinds: Sequence[str]) -> Trace:
    """Queries of about 500 work orders of 1 to 5 s, at an offered load of 0.5."""
    generator = np.random.default_rng(0)
    plans = tuple(_plan(f"p{index}", generator, kinds) for index in range(20))
    work = sum(plan.work_us for plan in plans) / len(plans)
    arrivals = np.cumsum(generator.exponential(work / (0.5 * EXECUTORS), num_queries))
    queries = tuple(
        Query(query_id=index, plan=plans[index % len(plans)].name, arrival_us=arrival)
        for index, arrival in enumerate(arrivals.astype(int).tolist())
    )
    return Trace(name="synthetic", plans=plans, queries=queries)


def _plan(name: str, generator: np.random.Generator, kinds: Sequence[str]) -> Plan:
    count = int(generator.integers(350, 650)) // len(kinds)
    operators = tuple(
        Operator(
            kind=kind,
            num_work_orders=count,
            work_order_us=tuple(generator.integers(1_000_000, 5_000_000, count).tolist()),
            output_bytes=0 if kind == "stage" else 50_000,
            state_bytes=100_000 if kind in ("build", "aggregate") else 0,
        )
        for kind in kinds
    )
    return Plan(name=name, operators=operators, edges=EDGES[len(kinds)])


def work_orders_per_s(trace: Trace, scheduler: str, cluster: sim.Cluster) -> float:
    """Median over repeats."""

    def once() -> float:
        summary = sim.simulate(trace, scheduler, cluster=cluster).summary()
        return summary["num_work_orders"] / summary["wall_s"]

    return statistics.median(once() for _ in range(REPEATS))


def side_by_side_ratio(trace: Trace, scheduler: str, cluster: sim.Cluster, count: int) -> float:
    """Work orders per second of ``count`` simulations in one call, relative to one simulation."""

    def once(seeds: range) -> float:
        started = time.perf_counter()
        results = sim.simulate_many(trace, scheduler, cluster=cluster, seeds=seeds)
        seconds = time.perf_counter() - started
        return sum(each.totals.num_work_orders for each in results) / seconds

    once(range(1))
    pairs = [(once(range(count)), once(range(1))) for _ in range(REPEATS)]
    return statistics.median(many / one for many, one in pairs)


def decision_us(count: int) -> float:
    """Wall-clock time of a decision, µs: to its event, its columns, a simple policy, its answer.

    ``count`` simulations are stepped side by side, from 30 queries of 10 operators in the system
    until 10 are left: 20.7 in the mean.
    """
    trace, cluster = crowd(30), sim.Cluster(executors_per_node=32)

    def once() -> float:
        batch = sim.Simulations(trace, cluster, range(count))
        num_decisions, started = 0, time.perf_counter()
        while (view := batch.next_events()) is not None and len(view.queries) > 10 * count:
            batch.apply(shortest_first(view))
            num_decisions += len(view)
        return (time.perf_counter() - started) / num_decisions * 1e6

    once()
    return statistics.median(once() for _ in range(REPEATS))


def shortest_first(view: sim.BatchView) -> sim.BatchSchedule:
    """All schedulable operators, those of the query with the least work left first."""
    rows = np.flatnonzero(view.operators.is_schedulable)
    remaining = view.queries.est_remaining_us[view.operators.query[rows]]
    return sim.BatchSchedule(rows[np.lexsort((rows, remaining))], view.cluster.num_executors)


def crowd(num_queries: int) -> Trace:
    """Queries of 10 operators of 20 work orders each, in random trees, that arrive at once."""
    generator = np.random.default_rng(0)
    plans = tuple(
        Plan(
            name=f"p{index}",
            operators=tuple(
                Operator(
                    kind=FOUR_KINDS[at % 4],
                    num_work_orders=20,
                    work_order_us=tuple(generator.integers(1_000, 5_000, 20).tolist()),
                )
                for at in range(10)
            ),
            edges=tuple(
                Edge(int(generator.integers(0, at)), at, bool(generator.integers(0, 2)))
                for at in range(1, 10)
            ),
        )
        for index in range(10)
    )
    queries = tuple(
        Query(query_id=at, plan=plans[at % 10].name, arrival_us=0) for at in range(num_queries)
    )
    return Trace(name="crowd", plans=plans, queries=queries)


def heap_per_s(num_events: int = 200_000) -> float:
    """A bare ``heapq`` loop: pop the next completion, push the following one."""

    def once() -> float:
        heap = [(1000 + 7 * index, index, index) for index in range(EXECUTORS)]
        heapq.heapify(heap)
        counter = EXECUTORS
        started = time.perf_counter()
        for _ in range(num_events):
            now, _, executor = heapq.heappop(heap)
            counter += 1
            heapq.heappush(heap, (now + 1000 + counter % 997, counter, executor))
        return num_events / (time.perf_counter() - started)

    return statistics.median(once() for _ in range(REPEATS))


def growth(num_queries: int) -> None:
    """One large run in this process; prints work orders, seconds and peak memory in MB."""
    summary = sim.simulate(synthetic(num_queries, TWO), "fifo", cluster=PLAIN).summary()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(int(summary["num_work_orders"]), summary["wall_s"], peak_mb)


def main() -> None:
    """Print all figures."""
    heap = heap_per_s()
    print(f"bare heapq loop             {heap / 1e6:6.2f} M events/s")
    for name, scheduler, kinds, cluster in (
        ("fifo, 2 stages of 250", "fifo", TWO, PLAIN),
        ("fair, 2 stages of 250", "fair", TWO, PLAIN),
        ("fifo, 4 stages of 125", "fifo", FOUR, PLAIN),
        ("fair, 4 stages of 125", "fair", FOUR, PLAIN),
        ("fifo, all of R9, 4 nodes", "fifo", FULL, WAREHOUSE),
        ("fair, all of R9, 4 nodes", "fair", FULL, WAREHOUSE),
    ):
        rate = work_orders_per_s(synthetic(200, kinds), scheduler, cluster)
        print(f"{name:27} {rate / 1e6:6.2f} M work orders/s, {rate / heap:.2f} x heapq")
    ratio = side_by_side_ratio(synthetic(200, TWO), "fifo", PLAIN, 64)
    print(f"64 simulations in one call: {ratio:.2f} x the rate of one")
    for count in (1, 16, 64):
        print(f"{count:2} simulations side by side: {decision_us(count):.0f} µs per decision")
    small = _growth_in_a_process(200)
    large = _growth_in_a_process(8_000)
    ratio = (large[1] / large[0]) / (small[1] / small[0])
    sizes = f"{large[0] / 1e6:.1f} M work orders, {small[0] / 1e6:.1f} M"
    print(f"time per work order, {sizes}: {ratio:.2f} x")
    print(f"peak memory {large[2]:.0f} MB")


def _growth_in_a_process(num_queries: int) -> tuple[float, float, float]:
    runs = [
        tuple(
            map(
                float,
                subprocess.run(
                    [sys.executable, __file__, str(num_queries)],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout.split(),
            )
        )
        for _ in range(3)
    ]
    return sorted(runs, key=lambda run: run[1])[1]  # type: ignore[return-value]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        growth(int(sys.argv[1]))
    else:
        main()
