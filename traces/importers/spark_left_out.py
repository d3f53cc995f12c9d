"""What of a Spark log does not become a query, and why."""

from __future__ import annotations

from enum import StrEnum

MAX_STAGES = 2000
"""Stages of a SQL execution; one with more is left out."""


class Reason(StrEnum):
    """What is left out."""

    WITHOUT_STAGES = "SQL executions that completed no stage"
    FAILED = "SQL executions that failed"
    UNENDED = "SQL executions that had not ended"
    INCOMPLETE = "SQL executions with missing tasks"
    TOO_LARGE = f"SQL executions of more than {MAX_STAGES} stages"
    OUTSIDE = "jobs outside SQL executions"
    UNKNOWN_JOBS = "jobs of SQL executions that had ended or are not in the log"
    CANCELLED = "stages that were cancelled"
    LOST = "attempts of tasks that failed, were killed or repeated others"
    UNKNOWN_TASKS = "tasks of stages that had ended or are not in the log"
    CUT = "events at the end of a log that were cut off"


class LeftOut:
    """What is not imported, by reason: how many, how many tasks are in them, and their time."""

    def __init__(self) -> None:
        self.amounts: dict[Reason, tuple[int, int, int]] = {}

    def add(self, reason: Reason, count: int = 0, num_tasks: int = 0, work_ms: int = 0) -> None:
        """Count more of it."""
        if count or num_tasks:
            before = self.amounts.get(reason, (0, 0, 0))
            self.amounts[reason] = (before[0] + count, before[1] + num_tasks, before[2] + work_ms)

    def __str__(self) -> str:
        texts = []
        for reason, (count, num_tasks, work_ms) in self.amounts.items():
            tasks = "" if num_tasks == count else f"{num_tasks} tasks, "
            work = f" ({tasks}{work_ms / 1000:.3f} s)" if num_tasks else ""
            texts.append(f"{count} {reason}{work}")
        return ", ".join(texts) or "nothing"
