"""The engines by name, and which one runs where none is named."""

from __future__ import annotations

from typing import Literal, get_args

from sim.cluster import Cluster
from sim.engine import Engine, OnRecord
from sim.events import Event
from sim.history import History
from sim.simpy_engine.engine import SimpyEngine
from traces import Trace, TraceStream

EngineName = Literal["fast", "simpy"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


def make_engine(
    name: EngineName | None,
    trace: Trace | TraceStream,
    cluster: Cluster,
    seed: int,
    history: History,
    events: list[Event] | None,
    on_record: OnRecord,
) -> Engine:
    """An engine at the start of a run; the arguments are those of ``SimpyEngine``.

    Raises:
        ValueError: there is no engine of that name, or it is not installed.
    """
    return SimpyEngine(trace, cluster, seed, history, events, on_record)
