"""Bound B1: the least latency of a query that has the cluster to itself."""

from __future__ import annotations

from typing import NamedTuple

from sim.bounds.speedup import Speedup, speedups_of
from sim.cluster import Cluster
from sim.state import ActiveQuery

MAX_ROUNDS = 4
"""Executors that run so many work orders each or more are close to evenly loaded."""


class Run(NamedTuple):
    """One way in which an operator may run: in a pipeline that starts at a certain root.

    All are least values over what a scheduler may do, µs. A task is a step of the pipeline as far
    as the operator.

    Attributes:
        start_us: arrival to the pipeline's start.
        num_tasks: of the pipeline.
        work_us, num_work_orders: of its operators.
        task_us: of every task.
        longest_us: of the longest task.
        duration_us: of the pipeline.
    """

    start_us: int
    num_tasks: int
    work_us: int
    num_work_orders: int
    task_us: int
    longest_us: int
    duration_us: int


class Shape(NamedTuple):
    """What of a query bounds its latency; lists are by operator.

    Attributes:
        work_us: sum of its work-order times, each at its smallest over contexts.
        num_work_orders: how many these are.
        head_us: least time from the query's arrival to its start.
        tail_us: least time from its end to the query's.
        chain_us: least time from the query's arrival to its end, along one chain.
        speedup: of the query.
    """

    work_us: list[int]
    num_work_orders: list[int]
    head_us: list[int]
    tail_us: list[int]
    chain_us: int
    speedup: Speedup

    @property
    def isolated_us(self) -> int:
        """Bound B1, µs: max of the longest chain and of head + work ÷ executors + tail.

        Of any operators with head ≥ h and tail ≥ q, all work is done within the latency but its
        first h and its last q, so the latency is at least h + q + the least time for that work.
        """
        best = max(1, self.chain_us)
        least_us, most_tail = self.speedup.least_us, max(self.tail_us)
        order = sorted(range(len(self.work_us)), key=self.head_us.__getitem__, reverse=True)
        work = count = 0
        for at, operator in enumerate(order):
            work += self.work_us[operator]
            count += self.num_work_orders[operator]
            head = self.head_us[operator]
            if head + most_tail + least_us(work, count) <= best:
                continue  # no choice of q helps
            inner_work = inner_count = 0
            for other in sorted(order[: at + 1], key=self.tail_us.__getitem__, reverse=True):
                inner_work += self.work_us[other]
                inner_count += self.num_work_orders[other]
                tail = self.tail_us[other]
                best = max(best, head + tail + least_us(inner_work, inner_count))
        return best


def isolated_bound_us(active: ActiveQuery, cluster: Cluster) -> int:
    """Least latency of a query that has the cluster to itself (bound B1), µs.

    It holds whatever the schedule and whatever else runs: rule R9 only ever adds to base times,
    and delays are ignored.
    """
    return shape_of(active, cluster).isolated_us


def shape_of(active: ActiveQuery, cluster: Cluster) -> Shape:
    """Heads and tails of a query's operators under the rules for pipelines (R4, R5).

    An operator is the root of a pipeline, and starts after all its producers, or runs in the
    pipeline of a producer whose only output is a non-breaking edge to it; then that pipeline
    started after all its other producers.
    """
    compiled, num_executors = active.compiled, cluster.num_executors
    speedups, best = speedups_of(
        compiled.contention, compiled.has_waves, cluster.coherency, num_executors
    )
    size = compiled.num_operators
    works, counts, heads, ends, durations = ([0] * size for _ in range(5))
    runs: list[list[Run]] = [[] for _ in range(size)]
    following = compiled.pipeline_next
    for operator in compiled.topological_order:
        times, speedup = _least_times(active, operator), speedups[operator]
        work, count, longest = sum(times), len(times), max(times)
        works[operator], counts[operator] = work, count
        inputs = compiled.producers[operator]
        ready = max([ends[producer] for producer in inputs], default=0)
        num_tasks = active.num_work_orders[operator]
        least = min(times)
        duration = max(longest, speedup.least_us(work, count), _crowded_us(times, num_executors))
        task = least * (count // num_tasks)
        mine = runs[operator]
        mine.append(Run(ready, num_tasks, work, count, task, longest, duration))
        for producer in inputs:
            if following[producer] != operator:
                continue
            others = max([ends[other] for other in inputs if other != producer], default=0)
            for run in runs[producer]:
                mine.append(_extended(run, others, work, count, least, longest, duration, best))
        heads[operator] = min([run.start_us for run in mine])
        ends[operator] = min([run.start_us + run.duration_us for run in mine])
        durations[operator] = min([run.duration_us for run in mine])
    tails = [0] * size
    for operator in reversed(compiled.topological_order):
        for consumer in compiled.consumers[operator]:
            tail = tails[consumer]
            if following[operator] != consumer:
                tail += durations[consumer]
            tails[operator] = max(tails[operator], tail)
    return Shape(works, counts, heads, tails, max(ends), best)


def _extended(
    run: Run,
    others_us: int,
    work_us: int,
    num_work_orders: int,
    least_us: int,
    longest_us: int,
    duration_us: int,
    speedup: Speedup,
) -> Run:
    """A run with one more operator at its end, whose other producers end at ``others_us``."""
    # Of n work orders each of m tasks gets n ÷ m, rounded down or up.
    share = least_us * (num_work_orders // run.num_tasks)
    work, count = run.work_us + work_us, run.num_work_orders + num_work_orders
    task = run.task_us + share
    longest = max(run.longest_us + share, run.task_us + longest_us)
    rounds = -(-run.num_tasks // len(speedup.rates))
    duration = max(
        run.duration_us, duration_us, longest, rounds * task, speedup.least_us(work, count)
    )
    start = max(run.start_us, others_us)
    return Run(start, run.num_tasks, work, count, task, longest, duration)


def _crowded_us(times_us: list[int], num_executors: int) -> int:
    """Least time for work orders that are a few more than the executors.

    Of the k·P + 1 longest, one of P executors runs k + 1: at least the k + 1 shortest of those.
    """
    most = (len(times_us) - 1) // num_executors
    if not 1 <= most < MAX_ROUNDS:
        return 0
    longest = sorted(times_us, reverse=True)
    sizes = range(1, most + 1)
    return max(sum(longest[k * num_executors - k : k * num_executors + 1]) for k in sizes)


def _least_times(active: ActiveQuery, operator: int) -> list[int]:
    """An operator's work-order times, each at its smallest over contexts, µs.

    With a recorded profile they are those of recorded work orders, which the cluster may batch.
    """
    uniform = active.draw.uniform[operator]
    if uniform is None:
        return active.draw.base_us[operator]
    lists = [
        times
        for wave in active.compiled.plan.operators[operator].waves
        for times in (wave.fresh, wave.first, wave.rest)
        if times
    ]
    factor = active.query.time_factor
    # Rounded down, because a task's time may be.
    return [int(factor * min(times[(u * len(times)) >> 32] for times in lists)) for u in uniform]
