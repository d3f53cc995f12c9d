"""Spark event logs written by hand, with times in milliseconds from their start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

START_MS = 1_795_457_450_000
SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQL"


class Log:
    """Events of an application on one executor with four cores, where a task takes two."""

    def __init__(self, name: str = "shop", cpus: float = 2.0) -> None:
        self.events: list[dict[str, Any]] = []
        self.add("SparkListenerLogStart", {"Spark Version": "4.3.0"})
        self.add(
            "SparkListenerResourceProfileAdded",
            {"Resource Profile Id": 0, "Task Resource Requests": {"cpus": {"Amount": cpus}}},
        )
        self.executor("1")
        self.add("SparkListenerApplicationStart", {"App Name": name, "User": "ann"})

    def add(self, event: str, fields: dict[str, Any]) -> None:
        self.events.append({"Event": event, **fields})

    def executor(self, name: str, cores: int = 4) -> None:
        info = {"Host": "h", "Total Cores": cores, "Resource Profile Id": 0}
        self.add("SparkListenerExecutorAdded", {"Executor ID": name, "Executor Info": info})

    def start(self, number: int, at: int, description: str = "", root: int | None = None) -> None:
        fields = {"executionId": number, "description": description, "time": START_MS + at}
        root = number if root is None else root
        self.add(f"{SQL}ExecutionStart", {**fields, "rootExecutionId": root})

    def end(self, number: int, at: int, error: str | None = "") -> None:
        fields = {"executionId": number, "time": START_MS + at, "errorMessage": error}
        self.add(f"{SQL}ExecutionEnd", fields)

    def job(
        self,
        job: int,
        execution: int | None,
        *stages: tuple[int, int, list[int], int],
        pool: str | None = None,
    ) -> None:
        """``stages``: number, number of tasks, parents, last data set."""
        infos = [
            {
                "Stage ID": stage,
                "Stage Name": f"collect at shop.py:{stage}",
                "Number of Tasks": num_tasks,
                "Parent IDs": parents,
                "RDD Info": [{"RDD ID": rdd, "Name": "r"}, {"RDD ID": rdd - 1, "Name": "r"}],
            }
            for stage, num_tasks, parents, rdd in stages
        ]
        given = {"spark.sql.execution.id": execution, "spark.scheduler.pool": pool}
        properties = {key: str(value) for key, value in given.items() if value is not None}
        fields = {"Job ID": job, "Stage Infos": infos, "Properties": properties}
        self.add("SparkListenerJobStart", fields)

    def job_end(self, job: int, result: str = "JobSucceeded") -> None:
        self.add("SparkListenerJobEnd", {"Job ID": job, "Job Result": {"Result": result}})

    def submit(self, stage: int, at: int, num_tasks: int, attempt: int = 0) -> None:
        info = _stage(stage, num_tasks, attempt, {"Submission Time": START_MS + at})
        self.add("SparkListenerStageSubmitted", {"Stage Info": info})

    def complete(self, stage: int, attempt: int = 0, failure: str | None = None) -> None:
        info = _stage(stage, 1, attempt, {"Failure Reason": failure} if failure else {})
        self.add("SparkListenerStageCompleted", {"Stage Info": info})

    def task(
        self,
        stage: int,
        index: int,
        launch: int,
        finish: int,
        *,
        attempt: int = 0,
        partition: int | None = None,
        reason: str = "Success",
        is_result: bool = False,
    ) -> None:
        """A task that writes 100 bytes, has a result of 7 and a peak memory of 1,000."""
        info = {
            "Task ID": len(self.events),
            "Index": index,
            "Partition ID": index if partition is None else partition,
            "Launch Time": START_MS + launch,
            "Executor ID": "1",
            "Getting Result Time": 0,
            "Finish Time": START_MS + finish,
        }
        metrics = {
            "Peak Execution Memory": 1000,
            "Result Size": 7,
            "Shuffle Write Metrics": {"Shuffle Bytes Written": 100},
        }
        fields = {
            "Stage ID": stage,
            "Stage Attempt ID": attempt,
            "Task Type": "ResultTask" if is_result else "ShuffleMapTask",
            "Task End Reason": {"Reason": reason},
            "Task Info": info,
            "Task Metrics": metrics,
        }
        self.add("SparkListenerTaskEnd", fields)

    def query(self, number: int, at: int, description: str = "") -> None:
        """A whole query of one task of 10 ms."""
        self.start(number, at, description)
        self.job(number, number, (number, 1, [], 10 * number + 1))
        self.submit(number, at, 1)
        self.task(number, 0, at + 1, at + 11, is_result=True)
        self.complete(number)
        self.job_end(number)
        self.end(number, at + 12)

    def text(self) -> str:
        return "".join(json.dumps(event) + "\n" for event in self.events)

    def write(self, path: Path) -> Path:
        path.write_text(self.text())
        return path


def _stage(stage: int, num_tasks: int, attempt: int, more: dict[str, Any]) -> dict[str, Any]:
    return {
        "Stage ID": stage,
        "Stage Attempt ID": attempt,
        "Number of Tasks": num_tasks,
        **more,
    }
