"""What would follow from a schedule, as far as anyone can know: copies of the state that run on.

A copy has nothing of what is to come. Nothing arrives and no executor leaves; operators that are
not complete build as much as is estimated; and all work orders that are not done take guessed
times. What is guessed is the same in all copies of one run, so that schedules are compared on the
same luck (R8).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.fast_engine import layout, loop
from sim.fast_engine.batch import GO_ON
from sim.fast_engine.beliefs import Beliefs
from sim.fast_engine.entry import resize, run_many
from sim.fast_engine.grow import grown
from sim.fast_engine.layout import ENTRY, NEVER, NONE, World
from sim.fast_engine.world import table_of
from sim.outcomes import Outcomes
from sim.schedule import Answer

WRITTEN = (
    *("run", "operators", "operator_nodes", "queries", "is_on", "known", "executors", "nodes"),
    *("armed", "entries", "returned", "operator_blocks", "time_blocks", "finished", "going_on"),
    *("completed", "history", "history_operators", "judged"),
)
"""Arrays that a run writes; copies share the others."""
ROWS = {name: row for row, name in enumerate(layout.ARRAYS)}
AT_ONCE = 64
"""Copies."""
ALIGNED = 64
"""Arrays begin at multiples of so many bytes."""
LEAST_LEFT = 0.25
"""A work order that runs has at least so much of its time left: nobody knows when it ends."""


def outcomes(
    world: World,
    answers: Sequence[Answer],
    rule: np.ndarray,
    beliefs: Beliefs,
    expected_us: np.ndarray,
    runs: int,
    seed: int,
) -> Outcomes:
    """What follows from each of several answers to a scheduling event.

    Args:
        world: at that event. It stays as it is.
        answers: to it.
        rule: that answers all later ones, a record of ``layout.RULE``.
        beliefs: about the work orders.
        expected_us: by operator slot, what a work order is expected to take where nobody has seen
            any, µs.
        runs: how often to guess.
        seed: of the guesses; others at another instant.
    """
    shape = runs, len(answers)
    left_us, executor_us = np.empty(shape, np.float64), np.empty(shape, np.float64)
    now_us, num_queries = int(world.run["now_us"][0]), int(world.run["num_active"][0])
    num_entries = max(2 * len(world.operators), *(len(entries) for entries, _, _ in answers))
    num_returned = int(world.run["num_returned"][0]) + len(world.executors)
    world = grown(world, entries=num_entries, returned=num_returned)
    for at in range(runs):
        generator = np.random.default_rng([seed, now_us, at])
        guess = _guess(world, rule, beliefs, expected_us, generator)
        for first in range(0, len(answers), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            copies = _Copies(guess, answers[part])
            statuses = copies.run()
            completed = copies.of("completed")[:, :num_queries]
            left_us[at, part] = completed["completion_us"].sum(axis=1) - num_queries * now_us
            left_us[at, part][statuses != loop.DONE] = np.inf
            executor_us[at, part] = (completed["busy_us"] + completed["delay_us"]).sum(axis=1)
    return Outcomes(left_us, executor_us)


class _Copies:
    """Copies of a world, one for each answer; what a run does not write they share."""

    def __init__(self, world: World, answers: Sequence[Answer]) -> None:
        self._world, count = world, len(answers)
        written = [getattr(world, name) for name in WRITTEN]
        ends = np.cumsum([-(-array.nbytes // ALIGNED) * ALIGNED for array in written]).tolist()
        starts = [0, *ends[:-1]]
        self._starts = dict(zip(WRITTEN, starts, strict=True))
        self._memory = np.empty((count, ends[-1]), np.uint8)
        self._tables = np.tile(table_of(world), (count, 1, 1))
        for name, array, start in zip(WRITTEN, written, starts, strict=True):
            self._memory[:, start : start + array.nbytes] = array.reshape(-1).view(np.uint8)
            first = self._memory.ctypes.data + start
            self._tables[:, ROWS[name], 0] = first + ends[-1] * np.arange(count)
        for place, answer in enumerate(answers):
            self._give(place, answer)

    def run(self) -> np.ndarray:
        """Run all to their ends; their statuses."""
        count = len(self._tables)
        addresses = self._tables.ctypes.data + self._tables[0].nbytes * np.arange(count)
        statuses = np.full(count, GO_ON, np.int64)
        run_many(addresses, statuses)
        if (statuses == loop.SERVICE).any():
            raise RuntimeError("a copy of the simulation lacks room")
        return statuses

    def of(self, name: str) -> np.ndarray:
        """One of the arrays that are written, of all copies: (copies, its elements)."""
        array, start = getattr(self._world, name), self._starts[name]
        return self._memory[:, start : start + array.nbytes].view(array.dtype)

    def _give(self, place: int, answer: Answer) -> None:
        """Answer the scheduling event in one copy."""
        entries, holds, until_us = answer
        rows = self.of("entries")[place].view(np.int64).reshape(-1, len(ENTRY.names or ()))
        if entries:
            rows[: len(entries), :4] = entries
        for slot, num_executors in holds.items():
            self.of("queries")["hold"][place, slot] = num_executors
        run = self.of("run")
        run["num_entries"][place], run["has_holds"][place] = len(entries), bool(holds)
        run["timer_us"][place] = NEVER if until_us is None else until_us


def _guess(
    world: World,
    rule: np.ndarray,
    beliefs: Beliefs,
    expected_us: np.ndarray,
    generator: np.random.Generator,
) -> World:
    """A copy of the world in which what nobody knows is guessed."""
    num_queries, num_executors = int(world.run["num_active"][0]), len(world.executors)
    copied = world._replace(**{name: getattr(world, name).copy() for name in WRITTEN})
    guess = copied._replace(
        rule=rule.copy(),
        cluster=world.cluster.copy(),
        plan_operators=beliefs.plan_operators,
        waves=beliefs.waves,
        wave_times=beliefs.wave_times,
        completed=np.zeros(num_queries + 2 * num_executors, layout.COMPLETED),
    )
    guess.cluster["is_logged"] = 0
    run = guess.run
    run["num_completed"] = 0
    run["num_arrivals"], run["is_last_arrival"] = run["next_arrival"], 1
    run["num_changes"], run["is_last_change"] = run["next_change"], 1
    slots = _slots(guess)
    guess = guess._replace(times=_draw_times(guess, slots, beliefs, expected_us, generator))
    _guess_bytes(guess, slots)
    _guess_ends(guess, slots)
    return guess


def _slots(world: World) -> np.ndarray:
    """Of the operators in the system that are not complete. Their queries give no times back."""
    slots, query = list[np.ndarray](), int(world.run["first_active"][0])
    while query >= 0:
        each = world.queries[query]
        each["times_block"], each["time_factor"] = NONE, 1.0
        slots.append(each["base_slot"] + np.arange(each["num_operators"]))
        query = int(each["after"])
    found = np.concatenate(slots)
    return found[world.operators["is_complete"][found] == 0]


def _draw_times(
    world: World,
    slots: np.ndarray,
    beliefs: Beliefs,
    expected_us: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Guessed base times of the work orders of some operators, and where each finds its own."""
    operators = world.operators
    counts, recorded = operators["num_work_orders"][slots], operators["num_recorded"][slots]
    ends = np.cumsum(counts)
    operators["first_time"][slots] = ends - counts
    operators["first_uniform"][slots] = ends[-1] + np.cumsum(recorded) - recorded
    plan_operators = operators["plan_operator"][slots]
    factors = operators["recorded_per_work_order"][slots]
    times = beliefs.draw(plan_operators, expected_us[slots], factors, counts, generator)
    uniform = generator.integers(0, 2**32, int(recorded.sum()))
    return np.concatenate([times, uniform])


def _guess_bytes(world: World, slots: np.ndarray) -> None:
    """Operators that are not complete build as much as is estimated."""
    operators, planned = world.operators, world.plan_operators
    plan_operators, factors = operators["plan_operator"][slots], operators["byte_factor"][slots]
    for name in ("state_bytes", "output_bytes"):
        operators[name][slots] = planned[f"est_{name}"][plan_operators] * factors
    if not world.cluster["is_plain"][0]:
        table = table_of(world)
        resize(table.ctypes.data, slots[operators["root"][slots] == slots])


def _guess_ends(world: World, slots: np.ndarray) -> None:
    """Work orders that run end when one that takes its pipeline's mean time would."""
    operators, executors, run = world.operators, world.executors, world.run
    count, now_us = int(run["num_armed"][0]), int(run["now_us"][0])
    sums = np.zeros(len(operators), np.float64)
    bounds = np.append(operators["first_time"][slots], operators["num_work_orders"][slots].sum())
    base_us = np.add.reduceat(world.times[: bounds[-1]].astype(np.float64), bounds[:-1])
    roots = operators["root"][slots]
    np.add.at(sums, roots[roots >= 0], base_us[roots >= 0])
    armed = world.armed[:count]
    busy = armed["executor"]
    root = executors["root"][busy]
    mean_us = sums[root] / operators["num_tasks"][root]
    begun_us = armed["end_us"] - executors["duration_us"][busy]
    ends_us = np.maximum(begun_us + mean_us, now_us + LEAST_LEFT * mean_us).astype(np.int64)
    armed["end_us"] = np.maximum(ends_us, now_us + 1)
    executors["duration_us"][busy] = armed["end_us"] - begun_us
    world.armed[:count] = armed[np.lexsort((armed["sequence"], armed["end_us"]))]
