"""What an episode looks like: a Gantt chart so far, or the state in words."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lsched.gym.decision import Decision
from lsched.plots import gantt
from lsched.tables import counted, number
from sim import Event, QueryRecord, QueryView, Result, Simulation
from traces.units import US_PER_S


def picture(simulation: Simulation) -> np.ndarray:
    """The Gantt chart of a run with its event log, up to now.

    Shapes:
        returns (height, width, 3), uint8; the same for all of a cluster.
    """
    canvas: Any = FigureCanvasAgg(gantt(so_far(simulation), _window_s(simulation)))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def text(simulation: Simulation, decision: Decision | None) -> str:
    """A line on the cluster, on each query in the system, and on the schedule so far."""
    view = simulation.view
    queries = view.queries
    lines = [
        f"{number(simulation.now_us / US_PER_S)} s: {counted(len(queries), 'query')} in the "
        f"system, {simulation.totals.num_queries:,} completed; {view.num_free} of "
        f"{counted(view.num_executors, 'executor')} free"
    ]
    for query in queries:
        ready = ", ".join(f"{each.index} ({each.kind})" for each in query.schedulable)
        lines.append(
            f"{query!r}: {number(query.age_us / US_PER_S)} s in the system, "
            f"{counted(query.num_executors, 'executor')}, schedulable: {ready or 'none'}"
        )
    if decision is not None:
        entries = [f"{decision.operator(e.row)!r} on {e.num_executors}" for e in decision.entries]
        lines.append(f"schedule so far: {'; '.join(entries) or 'empty'}")
    return "\n".join(lines)


def _window_s(simulation: Simulation) -> tuple[float, float]:
    """From the beginning to now; a millisecond at least."""
    return 0.0, max(simulation.now_us / US_PER_S, 1e-3)


def so_far(simulation: Simulation) -> Result:
    """The run as if all that runs had ended now."""
    result, now_us = simulation.result("agent"), simulation.now_us
    assert result.events is not None
    running = {}
    for event in result.events:
        if event.kind == "start":
            running[event.executor] = event
        elif event.kind in ("finish", "lose"):
            del running[event.executor]
    ends: list[Event] = [
        event._replace(time_us=now_us, kind="finish") for event in running.values()
    ]
    records = [_as_record(query, now_us) for query in simulation.view.queries]
    return dataclasses.replace(
        result, queries=[*result.queries, *records], events=[*result.events, *ends]
    )


def _as_record(query: QueryView, now_us: int) -> QueryRecord:
    """A query in the system, as if it completed now; what is not known is NaN or 0."""
    return QueryRecord(
        query_id=query.query_id,
        plan=query.plan,
        template=query.template,
        tenant=query.tenant,
        query_class=query.query_class,
        arrival_s=query.arrival_us / US_PER_S,
        start_s=(query.start_us if query.is_started else now_us) / US_PER_S,
        completion_s=now_us / US_PER_S,
        latency_s=query.age_us / US_PER_S,
        queueing_s=math.nan,
        isolated_s=math.nan,
        slowdown=math.nan,
        work_s=query.busy_us / US_PER_S,
        delay_s=0.0,
        lost_s=0.0,
        num_work_orders=0,
    )
