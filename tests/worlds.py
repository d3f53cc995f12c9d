"""Compiled functions called from Python, on the arrays of a running simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim import Simulation
from sim.fast_engine import layout
from sim.fast_engine.compile import compiled_entry
from sim.fast_engine.engine import FastEngine
from sim.fast_engine.layout import NONE, World
from sim.fast_engine.world import table_of, world_at


def copy_of_world(simulation: Simulation) -> World:
    """The arrays of a simulation under way, to do with as one likes."""
    assert isinstance(simulation.engine, FastEngine)
    return World(*(array.copy() for array in simulation.engine.world))


def decision_in(world: World) -> tuple[list[tuple[int, ...]], dict[int, int], int | None]:
    """Entries, holds by query slot and timer, in the form of ``checked_entries``."""
    run, holds, slot = world.run[0], {}, int(world.run["first_active"][0])
    entries = world.entries[: run["num_entries"]]
    while slot != NONE:
        if hold := int(world.queries["hold"][slot]):
            holds[slot] = hold
        slot = int(world.queries["after"][slot])
    assert bool(run["has_holds"]) == bool(holds)
    timer = None if run["timer_us"] == layout.NEVER else int(run["timer_us"])
    columns = [entries[name].tolist() for name in ("root", "slot", "limit", "degree")]
    return list(zip(*columns, strict=True)), holds, timer


def on_world(function: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled function of a world and numbers, so that it can be called from Python."""

    @compiled_entry
    def entry(table: int, arguments: tuple[int, ...]) -> Any:
        return function(world_at(table), *arguments)

    def call(world: World, *arguments: int) -> Any:
        table = table_of(world)
        return entry(table.ctypes.data, arguments)

    return call
