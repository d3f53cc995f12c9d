"""What a run starts with: nothing, the history of an earlier one, or what the scheduler knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from sim.history import History

if TYPE_CHECKING:
    from sim.cluster import Cluster
    from traces import Trace, TraceStream

Experience: TypeAlias = "Callable[[Trace | TraceStream, Cluster], History]"
"""A scheduler's method ``experience``: what it has learned of the plans of a trace elsewhere."""
StartHistory: TypeAlias = "History | bool | Experience"
"""Completed runs to start with; True: what the scheduler brings, mostly nothing; False: hidden."""


def brought_by(scheduler: object, history: StartHistory) -> StartHistory:
    """``history``, or where it is True, the scheduler's experience if it has any."""
    return getattr(scheduler, "experience", True) if history is True else history


def first_history(history: StartHistory, trace: Trace | TraceStream, cluster: Cluster) -> History:
    """The history that a run starts with, its own copy.

    Raises:
        ValueError: it is of other plans.
    """
    if callable(history):
        history = history(trace, cluster)
    known = history.copy() if isinstance(history, History) else History({}, history)
    known.check({plan.name: len(plan.operators) for plan in trace.plans})
    return known
