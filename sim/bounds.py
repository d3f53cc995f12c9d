"""Lower bounds on what any schedule can reach."""

from __future__ import annotations

from sim.state import ActiveQuery


def isolated_bound_us(active: ActiveQuery, num_executors: int) -> float:
    """Least latency of a query that has the cluster to itself (bound B1), µs.

    max(longest chain, work ÷ executors), with realised times, each at its smallest over contexts,
    and no delays. An operator takes at least its longest work order and its work ÷ executors; it
    starts after everything behind its breaking inputs, and ends no earlier than its producers.
    """
    compiled = active.compiled
    starts = [0.0] * compiled.num_operators
    ends = [0.0] * compiled.num_operators
    total = 0.0
    for operator in compiled.topological_order:
        work, longest = _least_times(active, operator)
        total += work
        start = end = 0.0
        for producer in compiled.breaking_producers[operator]:
            start = max(start, ends[producer])
        for producer in compiled.streaming_producers[operator]:
            start = max(start, starts[producer])
            end = max(end, ends[producer])
        starts[operator] = start
        ends[operator] = max(end, start + max(longest, work / num_executors))
    return max(1.0, max(ends), total / num_executors)


def _least_times(active: ActiveQuery, operator: int) -> tuple[float, float]:
    """Sum and maximum of an operator's work-order times, each at its smallest over contexts."""
    uniform = active.draw.uniform[operator]
    if uniform is None:
        times = active.draw.base_us[operator]
        return sum(times), max(times)
    lists = [
        times
        for wave in active.compiled.plan.operators[operator].waves
        for times in (wave.fresh, wave.first, wave.rest)
        if times
    ]
    factor = active.query.time_factor
    # Rounded down, because a task's time may be.
    least = [int(factor * min(times[(u * len(times)) >> 32] for times in lists)) for u in uniform]
    return sum(least), max(least)
