"""Copies of simulations on which a schedule is tried out: what would it cost?"""

from __future__ import annotations

import math

import numpy as np

from sim.fast_engine import layout
from sim.fast_engine.compile import compiled
from sim.fast_engine.grow import grown, with_more_room
from sim.fast_engine.layout import World
from sim.fast_engine.world import table_of, world_at

SHARED = ("plan_operators", "neighbours", "waves", "wave_times", "speedups", "arrivals", "changes")
"""Arrays that compiled code only reads."""


class Twin:
    """A copy of a simulation that runs under a compiled rule until some time.

    It has the same luck and the same arrivals (R8). Its arrays are used again by the next copy.
    """

    def __init__(self) -> None:
        self._world: World | None = None

    @property
    def address(self) -> int:
        """Of the table of its arrays."""
        return int(self._table.ctypes.data)

    def copy(self, world: World, rule: np.ndarray, end_us: int) -> None:
        """Become a copy of ``world`` that goes on to ``end_us`` under ``rule``, a record."""
        old, arrays, is_new = self._world, {}, self._world is None
        for name, array in world._asdict().items():
            if name in SHARED:
                arrays[name] = array
                is_new = is_new or getattr(old, name) is not array
                continue
            mine = None if old is None else getattr(old, name)
            if mine is None or mine.shape != array.shape:
                mine, is_new = np.empty_like(array), True
            mine[...] = array
            arrays[name] = mine
        if is_new:
            self._set(World(**arrays))
        assert self._world is not None
        self._world.rule[:1] = rule
        self._world.cluster["end_us"] = end_us
        self._world.run["num_completed"] = 0

    def serve(self) -> None:
        """Make larger what is too small to go on."""
        assert self._world is not None
        world = with_more_room(self._world)
        needed = int(world.run["num_returned"][0]) + len(world.executors)
        if needed > len(world.returned):
            world = grown(world, returned=2 * needed)
        self._set(world)

    def make_room_for(self, num_entries: int) -> None:
        """For a schedule of so many allocations."""
        assert self._world is not None
        self._set(grown(self._world, entries=2 * num_entries))

    def _set(self, world: World) -> None:
        self._world, self._table = world, table_of(world)


@compiled
def cost_us(world: World, from_us: int, until_us: int, horizon_us: float) -> float:
    """The discounted integral of the number of queries in the system, of all that completed since.

    Queries that have arrived since ``from_us`` count from then on for all alternatives alike, so
    only when they leave is looked at.
    """
    total = 0.0
    for at in range(world.run[0].num_completed):
        total += _cost_us(world.completed[at].completion_us - from_us, horizon_us)
    return total + world.run[0].num_active * _cost_us(until_us - from_us, horizon_us)


@compiled
def _cost_us(time_us: float, horizon_us: float) -> float:
    return horizon_us * (1.0 - math.exp(-time_us / horizon_us))


@compiled
def costs(
    addresses: np.ndarray,
    from_us: np.ndarray,
    until_us: np.ndarray,
    horizon_us: float,
    result: np.ndarray,
) -> None:
    """Of several twins; µs × queries.

    Shapes:
        all: (twins,)
    """
    for at in range(len(addresses)):
        world = world_at(addresses[at])
        result[at] = cost_us(world, from_us[at], until_us[at], horizon_us)


assert set(SHARED) < set(layout.ARRAYS)
