"""An executor: one slot that runs one work order at a time, and its re-armed simpy event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import simpy

from sim.events import Event, EventKind

if TYPE_CHECKING:
    from sim.simpy_engine.pipeline import Pipeline

NONE = -1


class Executor(simpy.Event):
    """The completion event of whatever the executor runs; re-armed for each task.

    Attributes:
        index, node: its number and its machine.
        root, pipeline: slot of the pipeline that it works on or worked on last, and the pipeline.
        slot: slot of the query it works for or worked for last, -1: none in the system.
        task: index of the task.
        duration_us: of the task, without delay.
        delay_us: move delay and warm-up that the task pays on top.
        wave: ``FRESH``, ``FIRST`` or ``REST`` for its next task.
    """

    def __init__(self, environment: simpy.Environment, index: int, node: int) -> None:
        super().__init__(environment)
        self._ok = True
        self._value = None
        self.index = index
        self.node = node
        self.root = NONE
        self.pipeline: Pipeline
        self.slot = NONE
        self.task = 0
        self.duration_us = 0
        self.delay_us = 0
        self.wave = 0


def task_event(time_us: int, kind: EventKind, executor: Executor) -> Event:
    """The line for what an executor runs."""
    pipeline = executor.pipeline
    return Event(
        time_us,
        kind,
        pipeline.active.query.query_id,
        executor.root - pipeline.active.base_slot,
        executor.task,
        executor.index,
        len(pipeline.members),
    )
