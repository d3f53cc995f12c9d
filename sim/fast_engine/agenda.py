"""Completions to come: a binary heap of executors by time, then by when they were armed (R2)."""

from __future__ import annotations

import numpy as np

from sim.fast_engine.compile import compiled
from sim.fast_engine.layout import World


@compiled
def arm(world: World, executor: int, end_us: int) -> None:
    """An executor will complete what it runs."""
    run, armed = world.run[0], world.armed
    at = run.num_armed
    run.num_armed += 1
    _sift_up(armed, at, end_us, run.sequence, executor)
    run.sequence += 1


@compiled
def rearm_first(world: World, end_us: int) -> None:
    """The executor that completes first goes on with something that ends later."""
    run, armed = world.run[0], world.armed
    _sift_down(armed, run.num_armed, 0, end_us, run.sequence, armed[0].executor)
    run.sequence += 1


@compiled
def take_first(world: World) -> int:
    """Take out the executor that completes first."""
    executor: int = world.armed[0].executor
    _remove(world, 0)
    return executor


@compiled
def cancel(world: World, executor: int) -> int:
    """Take out the completion of an executor; the time that it would have had."""
    armed, at = world.armed, 0
    while armed[at].executor != executor:
        at += 1
    end_us: int = armed[at].end_us
    _remove(world, at)
    return end_us


@compiled
def _remove(world: World, at: int) -> None:
    run, armed = world.run[0], world.armed
    run.num_armed -= 1
    count = run.num_armed
    if at == count:
        return
    last = armed[count]
    end_us, sequence, executor = last.end_us, last.sequence, last.executor
    if at > 0 and _is_before(end_us, sequence, armed[(at - 1) >> 1]):
        _sift_up(armed, at, end_us, sequence, executor)
    else:
        _sift_down(armed, count, at, end_us, sequence, executor)


@compiled
def _is_before(end_us: int, sequence: int, other: np.record) -> bool:
    is_tied = end_us == other.end_us
    return bool(end_us < other.end_us or (is_tied and sequence < other.sequence))


@compiled
def _sift_up(armed: np.ndarray, at: int, end_us: int, sequence: int, executor: int) -> None:
    """Put an element at a place that is empty, or above it."""
    while at > 0:
        above = (at - 1) >> 1
        if not _is_before(end_us, sequence, armed[above]):
            break
        armed[at] = armed[above]
        at = above
    armed[at].end_us, armed[at].sequence, armed[at].executor = end_us, sequence, executor


@compiled
def _sift_down(
    armed: np.ndarray, count: int, at: int, end_us: int, sequence: int, executor: int
) -> None:
    """Put an element at a place that is empty, or below it."""
    while True:
        below = 2 * at + 1
        if below >= count:
            break
        if below + 1 < count:
            right = armed[below + 1]
            if _is_before(right.end_us, right.sequence, armed[below]):
                below += 1
        least = armed[below]
        if not (least.end_us < end_us or (least.end_us == end_us and least.sequence < sequence)):
            break
        armed[at] = least
        at = below
    armed[at].end_us, armed[at].sequence, armed[at].executor = end_us, sequence, executor
