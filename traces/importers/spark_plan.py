"""A plan of a SQL execution: its stages that ran as operators, and what each waited for."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from traces.importers.spark_execution import Execution, Stage, Task
from traces.model import Edge, Operator, Wave

MAX_NAME = 120
CODEGEN = re.compile(r"WholeStageCodegen \(\d+\)")


class _Scope(msgspec.Struct):
    name: str


def to_edges(execution: Execution, stages: Sequence[Stage]) -> tuple[Edge, ...]:
    """Edges between the stages that ran, all pipeline breaking.

    Two rules, both from what the driver does:
    1. A stage waits for its parents. A parent that was skipped stands for the stage that ran
       before with the same last data set, and where there is none (it had no tasks, or ran for
       another query) for its own parents.
    2. A job's first stages wait for the results that the driver had when it submitted the job:
       it may have put them in (a broadcast table, a subquery's value, sampled bounds). A result
       that it waits for anyway gives no edge of its own. Shuffles need no such rule, as their
       readers name them as parents.

    Args:
        execution: what the jobs listed.
        stages: those that are operators, in order of their numbers.
    """
    index = {stage.info.stage_id: position for position, stage in enumerate(stages)}
    results = [index.get(stage_id) for stage_id in execution.results]
    outputs: dict[int, int] = {}  # by stage: a bit for each operator that has its output
    by_rdd: dict[int | None, int] = {}
    ancestors: list[int] = []
    edges = []
    for stage_id in sorted(execution.stages):
        stage = execution.stages[stage_id]
        inputs = 0
        for parent in stage.info.parents:
            inputs |= outputs.get(parent, 0)
        if stage_id not in index:
            outputs[stage_id] = by_rdd.get(stage.rdd_id, inputs)
            continue
        here = index[stage_id]
        waits = 0
        if all(stages[producer].job_id != stage.job_id for producer in _bits(inputs)):
            for result in results[: execution.waits.get(stage.job_id, 0)]:
                waits |= 1 << result if result is not None and result < here else 0
        known = 0
        for producer in _bits(inputs | waits):
            known |= ancestors[producer]
        producers = inputs | (waits & ~known)
        edges += [Edge(producer, here) for producer in _bits(producers)]
        ancestors.append(known | producers)
        outputs[stage_id] = 1 << here
        if not stage.is_result and stage.rdd_id is not None:
            by_rdd[stage.rdd_id] = 1 << here
    return tuple(edges)


def to_operators(
    stages: Sequence[Stage], limits: Mapping[str, int], num_slots: int
) -> tuple[Operator, ...]:
    """An operator for each stage, a work order for each task.

    Args:
        stages: in order of their numbers.
        limits: slots of each executor.
        num_slots: slots of the application; 0: not known, and those that ran tasks stand for it.

    Raises:
        ValueError: a time or a size is out of range.
    """
    waves, num_used = _waves(stages, limits)
    return tuple(
        Operator(
            kind="stage",
            name=_name(stage),
            num_work_orders=len(stage.tasks),
            work_order_us=tuple(stage.tasks[key].duration_us for key in sorted(stage.tasks)),
            output_bytes=stage.output_bytes,
            state_bytes=stage.state_bytes,
            waves=(Wave(num_slots or num_used, *(tuple(sorted(times)) for times in lists)),),
        )
        for stage, lists in zip(stages, waves, strict=True)
    )


def _bits(mask: int) -> Iterable[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _waves(
    stages: Sequence[Stage], limits: Mapping[str, int]
) -> tuple[list[tuple[list[int], list[int], list[int]]], int]:
    """Times of each stage by wave (fresh, first, rest), and how many slots ran them."""
    tasks = [(task, index) for index, stage in enumerate(stages) for task in stage.tasks.values()]
    waves: list[tuple[list[int], list[int], list[int]]] = [([], [], []) for _ in stages]
    executors: dict[str, _Slots] = {}
    seen: set[tuple[str, int, int]] = set()
    for task, index in sorted(tasks):
        slots = executors.setdefault(task.executor, _Slots(limits.get(task.executor, len(tasks))))
        num_before = slots.num_used
        slot = slots.take(task)
        here = (task.executor, slot, index)
        wave = 0 if slots.num_used > num_before else 1 if here not in seen else 2
        seen.add(here)
        waves[index][wave].append(task.duration_us)
    return waves, sum(slots.num_used for slots in executors.values())


class _Slots:
    """The slots of an executor, given to the tasks of one query in order of their launch.

    A task takes the slot of the lowest number that is free. Clocks count in ms, so that a task may
    be launched before another is seen to end: then it takes the slot that ends first.
    """

    def __init__(self, limit: int) -> None:
        self._limit = max(1, limit)
        self._free: list[int] = []
        self._busy: list[tuple[int, int]] = []
        self.num_used = 0

    def take(self, task: Task) -> int:
        """The slot that runs the task."""
        while self._busy and self._busy[0][0] <= task.launch_ms:
            heapq.heappush(self._free, heapq.heappop(self._busy)[1])
        if self._free:
            slot = heapq.heappop(self._free)
        elif self.num_used < self._limit:
            slot = self.num_used
            self.num_used += 1
        else:
            slot = heapq.heappop(self._busy)[1]
        heapq.heappush(self._busy, (task.released_ms, slot))
        return slot


def _name(stage: Stage) -> str:
    """Its operators in order, such as ``Scan parquet, Exchange``; else what Spark calls it."""
    names: dict[str, None] = {}
    for rdd in sorted(stage.info.rdds, key=lambda rdd: rdd.rdd_id):
        try:
            scope = msgspec.json.decode(rdd.scope or "{}", type=_Scope).name.strip()
        except msgspec.MsgspecError:
            continue
        names[scope] = None
    operators = [name for name in names if name and not CODEGEN.fullmatch(name)]
    return ", ".join(operators or names)[:MAX_NAME] or stage.info.name[:MAX_NAME]
