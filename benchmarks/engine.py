"""How fast the engines are: work orders per second, growth, memory, start-up, a parameter sweep.

Run with ``make bench``. Each figure is the median of several runs in one process, those of the two
engines in turn; machines differ and vary, so compare the ratios.
"""

from __future__ import annotations

import heapq
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import sim
from sim.engines import EngineName, ready_engine
from sim.registry import Scheduler
from sim.schedulers.fair import Fair
from sim.schedulers.fifo import Fifo
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


class AskedFifo(Fifo):
    """The same rule without its compiled twin: a scheduler in Python."""


class AskedFair(Fair):
    """Likewise."""


def rates(
    trace: Trace, scheduler: str | Callable[[], Scheduler], cluster: sim.Cluster
) -> dict[EngineName, float]:
    """Work orders per second by engine, medians over repeats."""
    found: dict[EngineName, list[float]] = {"simpy": [], "fast": []}
    for _ in range(REPEATS):
        for engine, values in found.items():
            made = scheduler if isinstance(scheduler, str) else scheduler()
            summary = sim.simulate(trace, made, cluster=cluster, engine=engine).summary()
            values.append(summary["num_work_orders"] / summary["wall_s"])
    return {engine: statistics.median(values) for engine, values in found.items()}


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


def growth(num_queries: int, engine: EngineName) -> None:
    """One large run in this process; prints work orders, seconds and peak memory in MB."""
    trace = synthetic(num_queries, TWO)
    sim.simulate(synthetic(1, TWO), "fifo", cluster=PLAIN, engine=engine)  # loads the engine
    summary = sim.simulate(trace, "fifo", cluster=PLAIN, engine=engine).summary()
    print(int(summary["num_work_orders"]), summary["wall_s"], peak_mb())


def peak_mb() -> float:
    """Peak memory of this process (Linux), without that of the one that started it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def start_up() -> None:
    """Loads the fast engine in this process; prints the seconds for numba, and for the engine."""
    started = time.perf_counter()
    from numba.core.registry import cpu_target

    cpu_target.typing_context.refresh()  # what numba does before its first function
    cpu_target.target_context.refresh()
    before = time.perf_counter()
    ready_engine("fast")
    print(before - started, time.perf_counter() - before)


def show_rates() -> None:
    """Both engines side by side."""
    heap = heap_per_s()
    print(f"bare heapq loop {heap / 1e6:.2f} M events/s\n")
    print(f"{'million work orders a second':32} {'simpy':>7} {'fast':>7} {'ratio':>7}")
    for name, scheduler, kinds, cluster in (
        ("fifo, 2 stages of 250", "fifo", TWO, PLAIN),
        ("fair, 2 stages of 250", "fair", TWO, PLAIN),
        ("srpt, 2 stages of 250", "srpt", TWO, PLAIN),
        ("priced, 2 stages of 250", "priced", TWO, PLAIN),
        ("fifo, 4 stages of 125", "fifo", FOUR, PLAIN),
        ("fair, 4 stages of 125", "fair", FOUR, PLAIN),
        ("fifo, all of R9, 4 nodes", "fifo", FULL, WAREHOUSE),
        ("fair, all of R9, 4 nodes", "fair", FULL, WAREHOUSE),
        ("fifo in Python, 2 stages", AskedFifo, TWO, PLAIN),
        ("fair in Python, 2 stages", AskedFair, TWO, PLAIN),
        ("fair in Python, all of R9", AskedFair, FULL, WAREHOUSE),
    ):
        found = rates(synthetic(200, kinds), scheduler, cluster)
        simpy, fast = found["simpy"] / 1e6, found["fast"] / 1e6
        print(f"{name:32} {simpy:7.2f} {fast:7.2f} {fast / simpy:6.1f} ×")


def show_batches() -> None:
    """Many simulations at once."""
    ratio = side_by_side_ratio(synthetic(200, TWO), "fifo", PLAIN, 64)
    print(f"64 simulations in one call: {ratio:.2f} × the rate of one")
    for count in (1, 16, 64):
        print(f"{count:2} simulations side by side: {decision_us(count):.0f} µs per decision")


def show_growth(sizes: Sequence[int], engine: EngineName) -> None:
    """Time per work order and memory, by size."""
    first = None
    for num_queries in sizes:
        runs = [_in_a_process("growth", str(num_queries), engine) for _ in range(3)]
        work_orders, seconds, peak = sorted(runs, key=lambda run: run[1])[1]
        per_work_order = seconds / work_orders
        first = first or per_work_order
        print(
            f"{engine}: {work_orders / 1e6:5.1f} M work orders, {per_work_order * 1e9:6.0f} ns "
            f"each, {per_work_order / first:.2f} × the first, peak memory {peak:.0f} MB"
        )


def show_start_up() -> None:
    """Of a process that finds the compiled engine on disk."""
    runs = [_in_a_process("start-up") for _ in range(REPEATS)]
    numba_s, engine_s = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"start-up: numba {numba_s:.2f} s, then the fast engine {engine_s:.2f} s")


def show_sweep() -> None:
    """A sweep as a user runs it: 40 settings × 20 seeds × 200 queries."""
    shares = ",".join(map(str, (0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4)))
    grid = f"size=estimate,history+share={shares}+memory=ignore,gate"
    command = f"lsched tune tpch --scheduler srpt --grid {grid} --seeds 1000-1019 --load 0.7"
    started = time.perf_counter()
    program = Path(sys.executable).with_name("lsched")
    subprocess.run([program, *command.split()[1:]], check=True, capture_output=True)
    print(f"{command}: {time.perf_counter() - started:.0f} s")


def main() -> None:
    """Print all figures."""
    ready_engine("fast")
    show_rates()
    print()
    show_batches()
    print()
    show_growth((200, 8_000), "simpy")
    show_growth((200, 10_000, 100_000), "fast")
    print()
    show_start_up()
    show_sweep()


def _in_a_process(*arguments: str) -> tuple[float, ...]:
    program = [sys.executable, __file__, *arguments]
    shown = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    return tuple(map(float, shown.split()))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["growth", num_queries, "simpy" | "fast" as engine]:
            growth(int(num_queries), engine)
        case ["start-up"]:
            start_up()
        case _:
            main()
