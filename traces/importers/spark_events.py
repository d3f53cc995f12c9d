"""The events of a Spark event log that say what ran, with the fields that are used.

Source: ``org.apache.spark.util.JsonProtocol`` of Spark 3 and 4.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

Id = Annotated[int, Meta(ge=0)]
Amount = Annotated[int, Meta(ge=0, le=10**15)]


def _check_ms(name: str, value: int) -> None:
    if not 10**12 <= value < 10**13:
        raise ValueError(f"{name} is {value}, expected milliseconds since 1970 (13 digits)")


class LogStart(Struct, frozen=True):
    """First line of a log."""

    version: str = field(name="Spark Version")


class ApplicationStart(Struct, frozen=True):
    """An application begins."""

    name: str = field(name="App Name")


class Cpus(Struct, frozen=True):
    """Cores that a task takes (``spark.task.cpus``)."""

    amount: Annotated[float, Meta(ge=1, le=10**6)] = field(name="Amount")


class TaskRequests(Struct, frozen=True):
    """What a task takes of its executor."""

    cpus: Cpus = Cpus(1.0)


class ResourceProfileAdded(Struct, frozen=True):
    """Demands of executors and tasks, under a number."""

    profile_id: Id = field(name="Resource Profile Id")
    requests: TaskRequests = field(name="Task Resource Requests")


class ExecutorInfo(Struct, frozen=True):
    """Size of an executor."""

    cores: Annotated[int, Meta(ge=0, le=10**6)] = field(name="Total Cores")
    profile_id: Id = field(name="Resource Profile Id", default=0)


class ExecutorAdded(Struct, frozen=True):
    """An executor joins."""

    executor: str = field(name="Executor ID")
    info: ExecutorInfo = field(name="Executor Info")


class ExecutorRemoved(Struct, frozen=True):
    """An executor leaves."""

    executor: str = field(name="Executor ID")


class ExecutionStart(Struct, frozen=True):
    """A SQL execution begins; ``root_id`` is another one's if it is a part of that."""

    execution_id: Id = field(name="executionId")
    time_ms: int = field(name="time")
    root_id: Id | None = field(name="rootExecutionId", default=None)
    description: str | None = None

    def __post_init__(self) -> None:
        _check_ms("time", self.time_ms)


class ExecutionEnd(Struct, frozen=True):
    """A SQL execution ends; ``error`` is empty or absent if it succeeded."""

    execution_id: Id = field(name="executionId")
    time_ms: int = field(name="time")
    error: str | None = field(name="errorMessage", default=None)

    def __post_init__(self) -> None:
        _check_ms("time", self.time_ms)


class Rdd(Struct, frozen=True):
    """A data set that a stage computes; its scope is JSON with the operator's name."""

    rdd_id: Id = field(name="RDD ID")
    scope: str | None = field(name="Scope", default=None)


class StageInfo(Struct, frozen=True):
    """A stage of a job. Not each runs: those whose output is there are skipped."""

    stage_id: Id = field(name="Stage ID")
    num_tasks: Amount = field(name="Number of Tasks")
    name: str = field(name="Stage Name", default="")
    rdds: tuple[Rdd, ...] = field(name="RDD Info", default=())
    parents: tuple[Id, ...] = field(name="Parent IDs", default=())


class Properties(Struct, frozen=True):
    """Properties of the thread that submitted a job."""

    execution: str | None = field(name="spark.sql.execution.id", default=None)
    pool: str | None = field(name="spark.scheduler.pool", default=None)


class JobStart(Struct, frozen=True):
    """A job is submitted; its last stage, that with the highest number, gives its result."""

    job_id: Id = field(name="Job ID")
    stages: tuple[StageInfo, ...] = field(name="Stage Infos")
    properties: Properties | None = field(name="Properties", default=None)


class JobResult(Struct, frozen=True):
    """How a job ended."""

    result: str = field(name="Result")


class JobEnd(Struct, frozen=True):
    """A job ends."""

    job_id: Id = field(name="Job ID")
    result: JobResult = field(name="Job Result")


class StageAttempt(Struct, frozen=True):
    """An attempt to run a stage; later ones run only the tasks that are missing."""

    stage_id: Id = field(name="Stage ID")
    num_tasks: Amount = field(name="Number of Tasks")
    attempt: Id = field(name="Stage Attempt ID", default=0)
    submitted_ms: int | None = field(name="Submission Time", default=None)
    failure: str | None = field(name="Failure Reason", default=None)

    def __post_init__(self) -> None:
        if self.submitted_ms is not None:
            _check_ms("Submission Time", self.submitted_ms)


class StageSubmitted(Struct, frozen=True):
    """A stage begins to run."""

    stage: StageAttempt = field(name="Stage Info")


class StageCompleted(Struct, frozen=True):
    """A stage has run, or failed."""

    stage: StageAttempt = field(name="Stage Info")


class TaskInfo(Struct, frozen=True):
    """An attempt to run a task.

    ``index`` counts in the stage's attempt; ``partition`` (since Spark 3.3) is the same in all
    attempts. From ``getting_result_ms`` on, if not 0, the driver fetches a large result.
    """

    task_id: Id = field(name="Task ID")
    index: Id = field(name="Index")
    launch_ms: int = field(name="Launch Time")
    finish_ms: int = field(name="Finish Time")
    executor: str = field(name="Executor ID")
    partition: int = field(name="Partition ID", default=-1)
    getting_result_ms: int = field(name="Getting Result Time", default=0)

    def __post_init__(self) -> None:
        _check_ms("Launch Time", self.launch_ms)
        _check_ms("Finish Time", self.finish_ms)


class EndReason(Struct, frozen=True):
    """Why a task ended."""

    reason: str = field(name="Reason")


class ShuffleWrite(Struct, frozen=True):
    """What a task wrote for later stages."""

    num_bytes: Amount = field(name="Shuffle Bytes Written", default=0)


class TaskMetrics(Struct, frozen=True):
    """Measurements of a task."""

    peak_memory_bytes: Amount = field(name="Peak Execution Memory", default=0)
    result_bytes: Amount = field(name="Result Size", default=0)
    shuffle_write: ShuffleWrite = field(name="Shuffle Write Metrics", default=ShuffleWrite())


class TaskEnd(Struct, frozen=True):
    """An attempt to run a task ends."""

    stage_id: Id = field(name="Stage ID")
    kind: str = field(name="Task Type")
    end: EndReason = field(name="Task End Reason")
    info: TaskInfo = field(name="Task Info")
    attempt: Id = field(name="Stage Attempt ID", default=0)
    metrics: TaskMetrics | None = field(name="Task Metrics", default=None)


_SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQL"
Event = (
    LogStart
    | ApplicationStart
    | ResourceProfileAdded
    | ExecutorAdded
    | ExecutorRemoved
    | ExecutionStart
    | ExecutionEnd
    | JobStart
    | JobEnd
    | StageSubmitted
    | StageCompleted
    | TaskEnd
)
EVENTS: dict[str, type[Event]] = {
    "SparkListenerLogStart": LogStart,
    "SparkListenerApplicationStart": ApplicationStart,
    "SparkListenerResourceProfileAdded": ResourceProfileAdded,
    "SparkListenerExecutorAdded": ExecutorAdded,
    "SparkListenerExecutorRemoved": ExecutorRemoved,
    f"{_SQL}ExecutionStart": ExecutionStart,
    f"{_SQL}ExecutionEnd": ExecutionEnd,
    "SparkListenerJobStart": JobStart,
    "SparkListenerJobEnd": JobEnd,
    "SparkListenerStageSubmitted": StageSubmitted,
    "SparkListenerStageCompleted": StageCompleted,
    "SparkListenerTaskEnd": TaskEnd,
}
"""Events by the word that names them in the log."""
