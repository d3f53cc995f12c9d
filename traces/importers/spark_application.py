"""What an application did: SQL executions with their stages and tasks, from its events."""

from __future__ import annotations

from dataclasses import dataclass

from traces.importers import spark_events as events
from traces.importers.spark_execution import Execution, Stage, StageSpan, Task
from traces.importers.spark_left_out import MAX_STAGES, LeftOut, Reason
from traces.importers.spark_plan import to_edges, to_operators
from traces.model import MAX_WORK_ORDER_US, Edge, Operator

TOLERANCE_MS = 1000
"""A task may seem to start this much before its stage: the driver's clock may be set back."""


@dataclass(frozen=True)
class SparkQuery:
    """A SQL execution that ended well.

    Attributes:
        description: what the user called it, or where the program ran it.
        start_ms, end_ms: since 1970.
        application: the application's name.
        pool: scheduler pool.
        operators, edges: its plan.
        spans: by operator, when its stage ran.
        num_short: tasks of 0 ms.
        work_ms: sum of its tasks' times.
    """

    description: str
    start_ms: int
    end_ms: int
    application: str
    pool: str
    operators: tuple[Operator, ...]
    edges: tuple[Edge, ...]
    spans: tuple[StageSpan, ...]
    num_short: int
    work_ms: int


class Application:
    """The state of an application as of the last event, and the queries that have ended.

    Attributes:
        name, version: of the application and of Spark.
        queries: in order of their end.
        num_executions, num_nested: SQL executions, and those of them that are parts of others.
        max_slots: the most slots that there were at once.
    """

    def __init__(self, left_out: LeftOut) -> None:
        self.name = ""
        self.version = ""
        self.queries: list[SparkQuery] = []
        self.num_executions = 0
        self.num_nested = 0
        self.max_slots = 0
        self._left_out = left_out
        self._task_cpus: dict[int, float] = {}
        self._slots: dict[str, int] = {}
        self._present: dict[str, int] = {}
        self._num_slots = 0
        self._executions: dict[str, Execution] = {}
        self._jobs: dict[int, tuple[Execution | None, list[int]]] = {}
        self._stages: dict[int, Stage | Reason] = {}

    def add(self, event: events.Event) -> None:
        """Take in the next event.

        Raises:
            ValueError: it contradicts itself or those before it.
        """
        match event:
            case events.TaskEnd():
                self._end_task(event)
            case events.StageSubmitted(stage=attempt):
                if isinstance(stage := self._stages.get(attempt.stage_id), Stage):
                    if not stage.attempt_sizes:
                        stage.num_tasks = attempt.num_tasks
                        stage.submitted_ms = attempt.submitted_ms
                    stage.attempt_sizes[attempt.attempt] = attempt.num_tasks
            case events.StageCompleted(stage=attempt):
                stage = self._stages.get(attempt.stage_id)
                if isinstance(stage, Stage) and attempt.failure is None:
                    stage.is_completed = True
            case events.JobStart():
                self._start_job(event)
            case events.JobEnd():
                self._end_job(event)
            case events.ExecutionStart():
                self._start_execution(event)
            case events.ExecutionEnd():
                self._end_execution(event)
            case events.ExecutorAdded(executor=executor, info=info):
                slots = int(info.cores / self._task_cpus.get(info.profile_id, 1.0))
                self._slots[executor] = slots
                self._num_slots += slots - self._present.get(executor, 0)
                self._present[executor] = slots
                self.max_slots = max(self.max_slots, self._num_slots)
            case events.ExecutorRemoved(executor=executor):
                self._num_slots -= self._present.pop(executor, 0)
            case events.ResourceProfileAdded():
                self._task_cpus[event.profile_id] = event.requests.cpus.amount
            case events.ApplicationStart():
                self.name = event.name
            case events.LogStart():
                if self.version:
                    raise ValueError("another log begins here; give each log as a file of its own")
                self.version = event.version

    def end(self) -> None:
        """The log has ended: what is still open is left out."""
        for number, execution in self._executions.items():
            if number == execution.ids[0]:
                self._leave_out(Reason.UNENDED, execution)

    def _start_execution(self, event: events.ExecutionStart) -> None:
        number = str(event.execution_id)
        if number in self._executions:
            raise ValueError(f"SQL execution {number} starts for the second time")
        self.num_executions += 1
        if event.root_id is not None and str(event.root_id) in self._executions:
            self.num_nested += 1
            root = self._executions[str(event.root_id)]
            root.ids.append(number)
            self._executions[number] = root
            return
        self._executions[number] = Execution(
            description=(event.description or "").strip() or f"execution {number}",
            start_ms=event.time_ms,
            ids=[number],
            num_slots=self._num_slots,
        )

    def _start_job(self, event: events.JobStart) -> None:
        if event.job_id in self._jobs:
            raise ValueError(f"job {event.job_id} starts for the second time")
        number = event.properties.execution if event.properties is not None else None
        execution = None if number is None else self._executions.get(number)
        self._jobs[event.job_id] = (execution, [info.stage_id for info in event.stages])
        if execution is None:
            reason = Reason.OUTSIDE if number is None else Reason.UNKNOWN_JOBS
            self._left_out.add(reason, 1)
            for info in event.stages:
                self._stages.setdefault(info.stage_id, reason)
            return
        assert event.properties is not None
        execution.pool = execution.pool or event.properties.pool or ""
        execution.waits[event.job_id] = len(execution.results)
        for info in event.stages:
            if info.stage_id not in self._stages:
                rdd_id = max((rdd.rdd_id for rdd in info.rdds), default=None)
                stage = Stage(info, execution, event.job_id, rdd_id, info.num_tasks)
                self._stages[info.stage_id] = execution.stages[info.stage_id] = stage

    def _end_job(self, event: events.JobEnd) -> None:
        execution, stages = self._jobs.pop(event.job_id, (None, []))
        if execution is None:
            for stage_id in stages:
                if not isinstance(self._stages.get(stage_id), Stage):
                    self._stages.pop(stage_id, None)
        elif event.result.result != "JobSucceeded":
            execution.has_failed_job = True
        elif stages:
            last = execution.stages.get(max(stages))
            if last is not None and last.is_result:
                execution.results.setdefault(last.info.stage_id)

    def _end_task(self, event: events.TaskEnd) -> None:
        info = event.info
        if event.end.reason == "Resubmitted":  # it succeeded, and its output is lost: told before
            return
        duration_ms = info.finish_ms - info.launch_ms
        if not 0 <= duration_ms <= MAX_WORK_ORDER_US // 1000:
            raise ValueError(
                f"task {info.task_id} is launched at {info.launch_ms} ms and finishes at "
                f"{info.finish_ms}, expected 0 to {MAX_WORK_ORDER_US // 1000} ms later"
            )
        stage = self._stages.get(event.stage_id)
        if not isinstance(stage, Stage):
            if stage is None:
                self._left_out.add(Reason.UNKNOWN_TASKS, 1, 1, duration_ms)
            else:
                self._left_out.add(stage, 0, 1, duration_ms)
            return
        _check_task(event, stage)
        execution = stage.execution
        partition = info.partition if info.partition >= 0 else info.index
        if event.kind == "ShuffleMapTask" and stage.rdd_id is not None:
            first = execution.shuffled.setdefault(stage.rdd_id, stage)
            stage.is_repeat = first is not stage
            stage = first
        if event.end.reason != "Success" or partition in stage.tasks:
            execution.num_lost += 1
            execution.lost_ms += duration_ms
            return
        execution.num_ran += not stage.tasks
        if execution.num_ran > MAX_STAGES:  # it will be left out: its plan need not be kept
            execution.num_lost += 1
            execution.lost_ms += duration_ms
            return
        stage.is_result = event.kind == "ResultTask"
        stage.tasks[partition] = Task(
            info.launch_ms,
            info.task_id,
            info.finish_ms,
            info.getting_result_ms or info.finish_ms,
            info.executor,
        )
        if (metrics := event.metrics) is not None:
            shuffled = metrics.shuffle_write.num_bytes
            stage.output_bytes += metrics.result_bytes if stage.is_result else shuffled
            stage.state_bytes += metrics.peak_memory_bytes

    def _end_execution(self, event: events.ExecutionEnd) -> None:
        number = str(event.execution_id)
        execution = self._executions.get(number)
        if execution is None or number != execution.ids[0]:
            return
        if event.time_ms < execution.start_ms - TOLERANCE_MS:
            raise ValueError(
                f"SQL execution {number} ends at {event.time_ms} ms, before its start at "
                f"{execution.start_ms}"
            )
        for each in execution.ids:
            del self._executions[each]
        for stage_id in execution.stages:
            del self._stages[stage_id]
        stages = [stage for _, stage in sorted(execution.stages.items())]
        complete = [stage for stage in stages if stage.has_all_tasks]
        is_old = event.error is None  # before Spark 3.4, which says how an execution ended
        if event.error or (is_old and execution.has_failed_job):
            self._leave_out(Reason.FAILED, execution)
        elif execution.num_ran > MAX_STAGES:
            self._leave_out(Reason.TOO_LARGE, execution)
        elif any(stage.lacks_tasks for stage in stages):
            self._leave_out(Reason.INCOMPLETE, execution)
        elif not complete:
            self._leave_out(Reason.WITHOUT_STAGES, execution)
        else:
            self._keep(execution, complete, event.time_ms)

    def _leave_out(self, reason: Reason, execution: Execution) -> None:
        self._left_out.add(reason, 1, execution.num_tasks, execution.work_ms)

    def _keep(self, execution: Execution, complete: list[Stage], end_ms: int) -> None:
        for stage in execution.stages.values():
            if stage.tasks and not stage.has_all_tasks:
                self._left_out.add(Reason.CANCELLED, 1, len(stage.tasks), stage.work_ms)
        self._left_out.add(Reason.LOST, execution.num_lost, execution.num_lost, execution.lost_ms)
        num_slots = max(execution.num_slots, self._num_slots)
        tasks = [task for stage in complete for task in stage.tasks.values()]
        self.queries.append(
            SparkQuery(
                description=execution.description,
                start_ms=execution.start_ms,
                end_ms=max(end_ms, execution.start_ms),
                application=self.name,
                pool=execution.pool,
                operators=to_operators(complete, self._slots, num_slots),
                edges=to_edges(execution, complete),
                spans=tuple(stage.span for stage in complete),
                work_ms=sum(task.duration_ms for task in tasks),
                num_short=sum(not task.duration_ms for task in tasks),
            )
        )


def _check_task(event: events.TaskEnd, stage: Stage) -> None:
    info = event.info
    num_tasks = stage.attempt_sizes.get(event.attempt, stage.info.num_tasks)
    if info.index >= num_tasks:
        raise ValueError(
            f"task {info.task_id} has index {info.index}, but attempt {event.attempt} of stage "
            f"{event.stage_id} has {num_tasks} tasks"
        )
    started_ms = max(stage.execution.start_ms, stage.submitted_ms or 0)
    if info.launch_ms < started_ms - TOLERANCE_MS:
        raise ValueError(
            f"task {info.task_id} is launched at {info.launch_ms} ms, before its stage or query "
            f"starts at {started_ms}"
        )
