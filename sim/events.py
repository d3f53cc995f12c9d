"""The event log: what happened when, for tests, plots and other tools (R12)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal, NamedTuple

EventKind = Literal["arrive", "schedule", "start", "finish", "lose", "complete", "leave", "join"]


class Event(NamedTuple):
    """One line of the log.

    Attributes:
        time_us: when.
        kind: ``arrive`` and ``complete`` of a query, ``schedule`` (a scheduling event), ``start``,
            ``finish`` and ``lose`` (it will not finish) of a task, ``leave`` and ``join`` of an
            executor.
        query_id: the query, else -1.
        operator: index of the pipeline's root in its plan, else -1.
        task: index of the task in its pipeline, else -1.
        executor: index, else -1.
        degree: operators in the pipeline, else 0.
    """

    time_us: int
    kind: EventKind
    query_id: int
    operator: int = -1
    task: int = -1
    executor: int = -1
    degree: int = 0


def digest(events: Iterable[Event]) -> str:
    """SHA-256 of a log: equal for equal logs, on any machine."""
    sha = hashlib.sha256()
    for event in events:
        sha.update((",".join(map(str, event)) + "\n").encode())
    return sha.hexdigest()
