"""A simulation that shows itself in columns, on either engine."""

from __future__ import annotations

from typing import Protocol

from sim import BatchSchedule, BatchView, Cluster, Simulation, Simulations, batch_view_of
from sim.batch_answer import answer_to_one
from sim.engine import OnRecord
from sim.engines import EngineName
from traces import Trace


class Run(Protocol):
    """One simulation, pulled event by event; see ``sim.Simulations``."""

    @property
    def simulation(self) -> Simulation:
        """It, as it is after the last ``next_view``."""
        ...

    def next_view(self) -> BatchView | None:
        """Run to the next scheduling event; None when every query has completed."""
        ...

    def apply(self, schedule: BatchSchedule) -> None:
        """Answer it."""
        ...


def make_run(
    trace: Trace,
    cluster: Cluster,
    seed: int,
    on_record: OnRecord,
    *,
    record_events: bool,
    engine: EngineName,
) -> Run:
    """A run from its beginning; the arguments are those of ``sim.Simulation``."""
    make = CompiledRun if engine == "fast" else PlainRun
    return make(trace, cluster, seed, on_record, record_events)


class CompiledRun:
    """On the compiled engine: a batch of one, which makes no object for a query or operator."""

    def __init__(
        self, trace: Trace, cluster: Cluster, seed: int, on_record: OnRecord, record_events: bool
    ) -> None:
        self._batch = Simulations(
            [trace], cluster, [seed], on_record=on_record, record_events=record_events
        )
        self.simulation = self._batch.simulations[0]

    def next_view(self) -> BatchView | None:
        """See ``Run``."""
        view = self._batch.next_events()
        self._batch.results("")  # takes over what has completed
        return view

    def apply(self, schedule: BatchSchedule) -> None:
        """See ``Run``."""
        self._batch.apply(schedule)


class PlainRun:
    """On the engine that needs nothing more."""

    def __init__(
        self, trace: Trace, cluster: Cluster, seed: int, on_record: OnRecord, record_events: bool
    ) -> None:
        self.simulation = Simulation(
            trace,
            cluster,
            seed,
            on_record=on_record,
            record_events=record_events,
            engine="simpy",
        )
        self._view: BatchView | None = None

    def next_view(self) -> BatchView | None:
        """See ``Run``."""
        view = self.simulation.next_event()
        self._view = None if view is None else batch_view_of(view)
        return self._view

    def apply(self, schedule: BatchSchedule) -> None:
        """See ``Run``."""
        assert self._view is not None
        self.simulation.apply(answer_to_one(schedule, self._view, self.simulation.view.queries))
