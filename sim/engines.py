"""The engines by name, and which one runs where none is named."""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable
from functools import cache
from typing import Literal, get_args

from sim.cluster import Cluster
from sim.engine import Engine, OnRecord
from sim.events import Event
from sim.history import History
from sim.simpy_engine.engine import SimpyEngine
from traces import Trace, TraceStream
from traces.errors import did_you_mean

EngineName = Literal["fast", "simpy"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
EngineMaker = Callable[
    [Trace | TraceStream, Cluster, int, History, list[Event] | None, OnRecord], Engine
]
"""What makes an engine at the start of a run, with the arguments of ``SimpyEngine``."""
VARIABLE = "LSCHED_ENGINE"
"""Environment variable that names the engine where nothing else does."""
HOW_TO_GET_FAST = "pip install 'lsched[fast]' adds an engine that is many times as fast"


def make_engine(
    name: EngineName | EngineMaker | None,
    trace: Trace | TraceStream,
    cluster: Cluster,
    seed: int,
    history: History,
    events: list[Event] | None,
    on_record: OnRecord,
) -> Engine:
    """An engine by name, or as something makes it; the other arguments are those of both.

    Raises:
        ValueError: there is no engine of that name, or it is not installed.
    """
    if callable(name):
        return name(trace, cluster, seed, history, events, on_record)
    if engine_name(name) == "simpy":
        return SimpyEngine(trace, cluster, seed, history, events, on_record)
    from sim.fast_engine.engine import FastEngine  # numba is optional

    return FastEngine(trace, cluster, seed, history, events, on_record)


def engine_name(name: str | None) -> EngineName:
    """The engine called ``name``, or as ``LSCHED_ENGINE`` says, else the fast one if it is there.

    If it is not, a warning says once how to get it.

    Raises:
        ValueError: there is none of that name, or it is not installed.
    """
    name = name or os.environ.get(VARIABLE)
    if name is None:
        if is_fast_installed():
            return "fast"
        _advise()
        return "simpy"
    for known in ENGINES:
        if name == known:
            if known == "fast" and not is_fast_installed():
                raise ValueError(f"engine 'fast' needs numba, which is missing: {HOW_TO_GET_FAST}")
            return known
    hint = did_you_mean(name, ENGINES)
    raise ValueError(f"engine is {name!r}, expected {' or '.join(ENGINES)}{hint}")


def ready_engine(name: EngineName | None = None) -> EngineName:
    """``engine_name``, and that engine is loaded; the first time that compiles it (a minute).

    Call it before worker processes begin, or each of them compiles.

    Raises:
        ValueError: as for ``engine_name``.
    """
    resolved = engine_name(name)
    if resolved == "fast":
        importlib.import_module("sim.fast_engine.entry").run_many.make_ready()
    return resolved


def ready_batches() -> None:
    """What steps many simulations side by side is loaded; see ``ready_engine``.

    Raises:
        ValueError: the fast engine is not installed.
    """
    ready_engine("fast")
    entry = importlib.import_module("sim.fast_engine.entry")
    for each in (entry.count_rows, entry.fill, entry.answer, entry.advise):
        each.make_ready()


@cache
def is_fast_installed() -> bool:
    """Whether numba is there."""
    return importlib.util.find_spec("numba") is not None


@cache
def _advise() -> None:
    warnings.warn(HOW_TO_GET_FAST, stacklevel=5)
