"""Rule R9 in formulas (docs/design.md, section 6): what both engines compute, written once.

Functions of numbers, with only + - × ÷ in one fixed order, so that the result is the same on every
machine, interpreted or compiled. Whole numbers are made floating-point before they are divided:
compiled code would do so anyway.
"""

from __future__ import annotations

from traces.units import US_PER_S

LAST_US = 2**60
"""No clock goes on for longer (36,000 years), so that no sum of times has more than 64 bits."""
MAX_ESTIMATED_BYTES = 1e15
"""Estimates above 1 PB count as that much."""
MAX_LOSSES = 10_000
"""Lost tasks of a pipeline, with none completed between them, that count as stalled (R13)."""
MAX_IDLE_EVENTS = 10_000
"""Timers and changes of executors in a row that find nothing running and nobody to arrive (R6)."""


def parallelism(num_held: int, contention: float, coherency: float) -> float:
    """Slowdown of a work order while ``num_held`` executors work for its query.

    Source: the universal scalability law, Gunther, "Guerrilla Capacity Planning" (2007), chapter 4.
    """
    others = num_held - 1
    return 1.0 + coherency * num_held * others + contention * others


def interference(
    gamma: float, num_busy: int, executors_per_node: int, memory_boundness: float
) -> float:
    """Slowdown of a work order while ``num_busy`` executors of its node work, its own included."""
    busy = (num_busy - 1) / executors_per_node
    return 1.0 + gamma * busy * memory_boundness


def spill_us(
    touched_bytes: float,
    used_bytes: int,
    budget_bytes: int,
    num_busy: int,
    bytes_per_s: float,
    max_factor: float,
    time_us: float,
) -> float:
    """Extra time of a work order on a node over its budget, µs.

    It writes and reads the share of what it touches that does not fit; the disk is shared by the
    executors of the node that work.
    """
    share = float(used_bytes - budget_bytes) / float(used_bytes)
    extra = 2.0 * (touched_bytes * share) / (bytes_per_s / num_busy) * US_PER_S
    return min(extra, time_us * (max_factor - 1.0))


def transfer_us(num_bytes: float, num_tasks: int, bytes_per_s: float) -> float:
    """Time that each task of a pipeline spends on its part of a transfer, µs."""
    return num_bytes / num_tasks / bytes_per_s * US_PER_S


def remote_share(tasks_on: int, num_tasks: int) -> float:
    """Share of a producer's output that is on other nodes than one that ran so many tasks."""
    return 1.0 - tasks_on / num_tasks


def interpolated(at_low: float, at_high: float, gap: int, width: int) -> float:
    """Between times recorded at two executor counts, ``gap`` below the higher of them."""
    return at_high + (at_low - at_high) * gap / width


def rounded_us(time_us: float) -> int:
    """To whole microseconds, at least one; what takes longer than the clock goes on is cut."""
    return max(int(time_us + 0.5), 1) if time_us < LAST_US else LAST_US


def first_of_share(task: int, count: int, num_tasks: int) -> int:
    """The first of a member's ``count`` work orders that belongs to a pipeline's task.

    Those of task i are the ones from here to before the first of task i + 1.
    """
    return task * count // num_tasks


def estimated_bytes(recorded_bytes: int, factor: float) -> int:
    """An estimate at a query's size, cut, because some of what optimizers say is absurd."""
    return int(min(recorded_bytes * factor, MAX_ESTIMATED_BYTES))


def grown_bytes(num_bytes: int, num_done: int, num_tasks: int) -> int:
    """What an operator holds once so many tasks are done: ⌊bytes × done ÷ tasks⌋."""
    whole, rest = num_bytes // num_tasks, num_bytes % num_tasks
    return whole * num_done + rest * num_done // num_tasks  # without a product of 64 bits or more
