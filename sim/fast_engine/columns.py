"""Columns of the queries in the system, as lists, read from the arrays when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.fast_engine.layout import OPERATOR, QUERY

if TYPE_CHECKING:
    from sim.fast_engine.engine import FastEngine


class FastColumns:
    """See ``sim.engine.Columns``: every field of ``OPERATOR`` and of ``QUERY`` is a column.

    A column is kept until the engine runs on. CPython reads lists faster than arrays.
    """

    num_tasks: list[int]
    next_task: list[int]
    num_done: list[int]
    busy_us: list[int]
    is_ready: list[int]
    is_complete: list[int]
    root: list[int]
    missing_producers: list[int]
    grown_bytes: list[int]
    num_held: list[int]
    num_local_free: list[int]
    start_us: list[int]

    def __init__(self, engine: FastEngine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> list[int]:
        world = self._engine.world
        if name in (OPERATOR.names or ()):
            column = world.operators[name][: self._engine.counter("num_operator_slots")].tolist()
        elif name in (QUERY.names or ()):
            column = world.queries[name][: self._engine.counter("num_query_slots")].tolist()
        else:
            raise AttributeError(f"no column {name!r}")
        self.__dict__[name] = column
        return column

    def forget(self) -> None:
        """The arrays are about to change."""
        engine = self._engine
        self.__dict__.clear()
        self._engine = engine
