"""Bound B1: the least latency of a query that has the cluster to itself."""

from __future__ import annotations

from typing import NamedTuple

from sim.active import ActiveQuery
from sim.bounds.speedup import Speedup, speedups_of
from sim.cluster import Cluster

MAX_ROUNDS = 4
"""Executors that run so many work orders each or more are close to evenly loaded."""


Run = tuple[int, int, int, int, int, int, int]
"""One way in which an operator may run: in a pipeline that starts at a certain root.

Least values over what a scheduler may do, µs: arrival to the pipeline's start; its number of tasks;
work and number of work orders of its operators so far; every task; the longest task; the whole. A
plain tuple, as this is on the path of every query.
"""


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
        heads, tails = self.head_us, self.tail_us
        works, counts = self.work_us, self.num_work_orders
        least_us, rate = self.speedup.least_us, 1.0 / self.speedup.total
        by_tail = sorted(range(len(works)), key=tails.__getitem__, reverse=True)
        total = sum(works)
        for head in sorted(set(heads)):
            if head + tails[by_tail[0]] + total * rate + 1.0 <= best:
                continue  # for speed, as below: nothing here can be more
            work = count = 0
            for operator in by_tail:
                if heads[operator] >= head:
                    work += works[operator]
                    count += counts[operator]
                    so_far = head + tails[operator]
                    if so_far + work * rate + 1.0 > best:
                        best = max(best, so_far + least_us(work, count))
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
    started after all its other producers. Written out in one loop, as every query goes through it.
    """
    compiled, num_executors = active.compiled, cluster.num_executors
    speedups, best = speedups_of(
        compiled.contention, compiled.memory_boundness, compiled.has_waves, cluster
    )
    size = compiled.num_operators
    works, counts, heads, ends, durations, tails = ([0] * size for _ in range(6))
    runs: list[list[Run]] = [[] for _ in range(size)]
    following, rate = compiled.pipeline_next, 1.0 / best.total
    for operator in compiled.topological_order:
        times, least_us = _least_times(active, operator), speedups[operator].least_us
        work, count, longest, least = sum(times), len(times), max(times), min(times)
        works[operator], counts[operator] = work, count
        duration = max(longest, least_us(work, count), _crowded_us(times, num_executors))
        num_tasks = active.num_work_orders[operator]
        inputs = compiled.producers[operator]
        start = max([ends[producer] for producer in inputs]) if inputs else 0
        head, end, shortest = start, start + duration, duration
        mine = runs[operator]
        mine.append(
            (start, num_tasks, work, count, least * (count // num_tasks), longest, duration)
        )
        for producer in inputs:
            if following[producer] != operator:
                continue
            others = [ends[other] for other in inputs if other != producer]
            ready = max(others) if others else 0
            for run in runs[producer]:
                start, num_tasks, run_work, run_count, task, run_longest, run_duration = run
                # Of n work orders each of m tasks gets n ÷ m, rounded down or up.
                share = least * (count // num_tasks)
                run_longest = max(run_longest + share, task + longest)
                run_work += work
                run_count += count
                task += share
                if run_duration < duration:
                    run_duration = duration
                if run_duration < run_longest:
                    run_duration = run_longest
                rounds = -(-num_tasks // num_executors)
                if run_duration < rounds * task:
                    run_duration = rounds * task
                if run_duration < run_work * rate + 1.0:
                    run_duration = max(run_duration, best.least_us(run_work, run_count))
                if start < ready:
                    start = ready
                mine.append(
                    (start, num_tasks, run_work, run_count, task, run_longest, run_duration)
                )
                if start < head:
                    head = start
                if start + run_duration < end:
                    end = start + run_duration
                if run_duration < shortest:
                    shortest = run_duration
        heads[operator], ends[operator], durations[operator] = head, end, shortest
    for operator in reversed(compiled.topological_order):
        for consumer in compiled.consumers[operator]:
            tail = tails[consumer]
            if following[operator] != consumer:
                tail += durations[consumer]
            tails[operator] = max(tails[operator], tail)
    return Shape(works, counts, heads, tails, max(ends), best)


def _crowded_us(times_us: list[int], num_executors: int) -> int:
    """Least time for work orders that are a few more than the executors.

    Of the k·P + 1 longest, one of P executors runs k + 1: at least the k + 1 shortest of those.
    """
    most = (len(times_us) - 1) // num_executors
    if not 1 <= most < MAX_ROUNDS:
        return 0
    ordered = sorted(times_us, reverse=True)
    if most == 1:
        return ordered[num_executors - 1] + ordered[num_executors]
    sizes = range(1, most + 1)
    return max([sum(ordered[k * num_executors - k : k * num_executors + 1]) for k in sizes])


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
