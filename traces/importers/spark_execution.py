"""What is known of a SQL execution while a log is read: its jobs, stages and tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from traces.importers.spark_events import StageInfo


class Task(NamedTuple):
    """The successful attempt of a task. From ``released_ms`` on its slot is free again."""

    launch_ms: int
    task_id: int
    finish_ms: int
    released_ms: int
    executor: str

    @property
    def duration_ms(self) -> int:
        """Launch to finish."""
        return self.finish_ms - self.launch_ms

    @property
    def duration_us(self) -> int:
        """Launch to finish, at least 1 µs: the log counts in ms, and no work order takes 0."""
        return max(1, 1000 * self.duration_ms)


class StageSpan(NamedTuple):
    """When a stage ran, milliseconds since 1970, and the number of its job.

    ``submitted_ms`` is when the driver had its tasks ready, ``launch_ms`` when the first one began,
    ``finish_ms`` when the last one had finished.
    """

    job_id: int
    submitted_ms: int
    launch_ms: int
    finish_ms: int


@dataclass(slots=True, eq=False)
class Stage:
    """A stage that a job listed.

    Attributes:
        info: what the job said of it.
        execution: the execution of that job.
        job_id: that job.
        rdd_id: the last of its data sets, by which a stage that is listed again is known.
        num_tasks: tasks of its first attempt.
        attempt_sizes: tasks by attempt.
        submitted_ms: when its first attempt began.
        is_completed: whether Spark said so.
        is_repeat: whether it is a stage that ran before, run again as its output was lost.
        is_result: whether its tasks' results went to the driver, not into a shuffle.
        tasks: by partition.
        output_bytes: shuffle bytes, or bytes of results.
        state_bytes: peak memory of all tasks.
    """

    info: StageInfo
    execution: Execution
    job_id: int
    rdd_id: int | None
    num_tasks: int
    attempt_sizes: dict[int, int] = field(default_factory=dict)
    submitted_ms: int | None = None
    is_completed: bool = False
    is_repeat: bool = False
    is_result: bool = False
    tasks: dict[int, Task] = field(default_factory=dict)
    output_bytes: int = 0
    state_bytes: int = 0

    @property
    def lacks_tasks(self) -> bool:
        """Whether Spark said that it completed, but not all of its tasks are in the log."""
        return self.is_completed and not self.is_repeat and len(self.tasks) < self.num_tasks

    @property
    def has_all_tasks(self) -> bool:
        """Whether it ran and all of its tasks succeeded."""
        return bool(self.tasks) and len(self.tasks) >= self.num_tasks

    @property
    def work_ms(self) -> int:
        """Sum of its tasks' times."""
        return sum(task.duration_ms for task in self.tasks.values())

    @property
    def span(self) -> StageSpan:
        """When it ran; a log that does not say when it was submitted has its first launch."""
        launch_ms = min(task.launch_ms for task in self.tasks.values())
        submitted_ms = launch_ms if self.submitted_ms is None else self.submitted_ms
        finish_ms = max(task.finish_ms for task in self.tasks.values())
        return StageSpan(self.job_id, min(submitted_ms, launch_ms), launch_ms, finish_ms)


@dataclass(slots=True, eq=False)
class Execution:
    """A SQL execution, with those that are parts of it.

    Attributes:
        description, start_ms: as in the log.
        ids: its number in the log, and those of its parts.
        num_slots: slots of the application when it began.
        pool: scheduler pool of its jobs.
        stages: all that its jobs listed, by number.
        shuffled: by last data set, the stage that first put it into a shuffle.
        num_ran: stages that ran a task.
        results: stages whose results had come to the driver when their job ended, in this order.
        waits: by job, how many of ``results`` there were when it was submitted.
        has_failed_job: whether a job failed or was cancelled.
        num_lost, lost_ms: attempts of tasks that do not count, and their time.
    """

    description: str
    start_ms: int
    ids: list[str]
    num_slots: int
    pool: str = ""
    stages: dict[int, Stage] = field(default_factory=dict)
    shuffled: dict[int | None, Stage] = field(default_factory=dict)
    num_ran: int = 0
    results: dict[int, None] = field(default_factory=dict)
    waits: dict[int, int] = field(default_factory=dict)
    has_failed_job: bool = False
    num_lost: int = 0
    lost_ms: int = 0

    @property
    def num_tasks(self) -> int:
        """Attempts of tasks, those that do not count as well."""
        return self.num_lost + sum(len(stage.tasks) for stage in self.stages.values())

    @property
    def work_ms(self) -> int:
        """Their time."""
        return self.lost_ms + sum(stage.work_ms for stage in self.stages.values())
