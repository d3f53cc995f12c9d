"""From Spark's event log to predicted latencies, by hand; and Spark itself where there is one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from spark_builder import START_MS, Log
from test_capture_spark import needs_spark

from lsched.cli import main
from lsched.validate.prediction import Experiment
from lsched.validate.profile import JOB_FIFO, Contention, contention, predict, to_profile
from lsched.validate.spark import (
    CONTENDED,
    PROFILES,
    REPLAY,
    TASKS,
    evaluate,
)
from lsched.validate.spark_rounds import Groups, Round, SparkPlan
from traces.capture.spark_groups import SparkRun, SparkSession
from traces.capture.together import Submission, Timing
from traces.importers.spark import read_application
from traces.importers.spark_left_out import LeftOut


class Recording:
    """A log of executions of two queries, with what their clients saw. Times in ms.

    Query a: the driver takes 10 ms, then a job of two tasks of 100 ms, the driver 20 ms, another
    job of two tasks of 50 ms, the driver 10 ms. Query b: 10 ms, two tasks of 100 ms, 5 ms.
    """

    def __init__(self) -> None:
        self.log = Log()
        self._timings: list[Timing] = []
        self._stage = 0

    def run(self, query: str, at: int, stages: list[list[tuple[int, int]]], end: int) -> None:
        """An execution with a job for each stage: launch and finish of its tasks."""
        number, log, submitted = len(self._timings), self.log, at + 10
        log.start(number, at + 1, f"execution {number}")
        for tasks in stages:
            stage, self._stage = self._stage, self._stage + 1
            log.job(stage, number, (stage, len(tasks), [], 10 * stage + 1))
            # Spark submits a stage as soon as the driver has it, also where no slot is free.
            log.submit(stage, submitted, len(tasks))
            submitted = max(finish for _, finish in tasks) + 20
            for index, (launch, finish) in enumerate(tasks):
                log.task(stage, index, launch, finish, is_result=True)
            log.complete(stage)
            log.job_end(stage)
        log.end(number, end - 1)
        submission = Submission(f"{number} {query}", query, at / 1e3)
        latency_s = (end - at) / 1e3
        self._timings.append(Timing(submission, at / 1e3, (START_MS + at) / 1e3, latency_s))

    def alone(self, query: str, at: int) -> None:
        """An execution on two free slots."""
        first = [(at + 10, at + 110)] * 2
        if query == "a":
            self.run("a", at, [first, [(at + 130, at + 180)] * 2], at + 190)
        else:
            self.run("b", at, [first], at + 115)

    def runs(self, tmp_path: Path) -> list[SparkRun]:
        """All executions, in order."""
        application = read_application(self.log.write(tmp_path / "log"), LeftOut())
        found = {query.description: query for query in application.queries}
        return [
            SparkRun(timing, found[f"execution {number}"])
            for number, timing in enumerate(self._timings)
        ]


@pytest.fixture
def recording() -> Recording:
    """Both queries, alone."""
    recording = Recording()
    recording.alone("a", 0)
    recording.alone("b", 1000)
    return recording


def test_a_profile_has_the_tasks_and_what_the_driver_took(
    recording: Recording, tmp_path: Path
) -> None:
    profile = to_profile(recording.runs(tmp_path)[0], lag_ms=0)
    assert [operator.work_order_us for operator in profile.plan.operators] == [
        (100_000, 100_000),
        (50_000, 50_000),
    ]
    assert [(edge.producer, edge.consumer) for edge in profile.plan.edges] == [(0, 1)]
    assert profile.delays_us == (10_000, 20_000)
    assert profile.end_us == 10_000
    assert profile.jobs == (0, 1)


def test_latencies_are_those_worked_out_by_hand(recording: Recording, tmp_path: Path) -> None:
    profiles = [to_profile(run, lag_ms=0) for run in recording.runs(tmp_path)]

    def latencies_ms(rule: str, executors: int, **options: bool) -> list[float]:
        predicted_s = predict(profiles, [0.0, 0.0], rule, executors, **options)
        return [round(1e3 * latency_s, 3) for latency_s in predicted_s]

    # Two executors. In order of arrival: a 10-110, b 110-210, a's second stage, submitted at 130,
    # 210-260. Fair: one each, 10-210, then a's second stage 230-280 on both.
    assert latencies_ms("fifo", 2) == [270, 215]
    assert latencies_ms("fair", 2) == [290, 215]
    assert latencies_ms("fifo", 2, has_driver=False) == [150, 250]
    # One executor: a 10-210, b's first task 210-310. Then a's second stage (by query), 310-410, or
    # b's second task, whose job was submitted at 10, before a's second at 230.
    assert latencies_ms("fifo", 1) == [420, 515]
    assert latencies_ms(JOB_FIFO, 1) == [520, 415]


def test_order_of_arrival_is_not_order_of_the_list(recording: Recording, tmp_path: Path) -> None:
    profiles = [to_profile(run, lag_ms=0) for run in recording.runs(tmp_path)]
    latencies_s = predict(profiles, [0.005, 0.0], "fifo", 2)
    # b 10-110 on both; a, submitted at 15, 110-210 and 230-280.
    assert latencies_s == pytest.approx([0.285, 0.115])


def test_contention_slows_tasks_and_driver(recording: Recording, tmp_path: Path) -> None:
    profile = to_profile(recording.runs(tmp_path)[0], lag_ms=0)
    (latency_s,) = predict([profile], [0.0], "fair", 2, Contention(tasks=2.0, driver=3.0))
    assert latency_s == pytest.approx(0.030 + 0.200 + 0.060 + 0.100 + 0.030)


def test_mixes_replay_exactly(tmp_path: Path) -> None:
    recording = Recording()
    for at in (0, 2000):  # calibration, then to be predicted; each before a mix
        recording.alone("a", at)
        recording.alone("b", at + 500)
        begin = at + 1000
        recording.run(
            "a",
            begin,
            [[(begin + 10, begin + 110)] * 2, [(begin + 210, begin + 260)] * 2],
            begin + 270,
        )
        recording.run("b", begin, [[(begin + 110, begin + 210)] * 2], begin + 215)
    runs = recording.runs(tmp_path)
    calibration, first, alone, second = (tuple(runs[at : at + 2]) for at in range(0, 8, 2))
    plan = SparkPlan(queries=("a", "b"), num_submissions=2, repeats=1)
    result = evaluate(plan, "FIFO", [Round(calibration, first, alone, second)], "4")
    assert result.contention == Contention(tasks=1.0, driver=1.0)
    found = {(e.runs, e.rule, e.model): e for e in result.experiments}
    assert list(found) == [
        ("alone", "fifo", PROFILES),
        ("shared", "fifo", TASKS),
        ("shared", "fifo", PROFILES),
        ("shared", "fifo", CONTENDED),
        ("shared", JOB_FIFO, CONTENDED),
        ("shared", "fifo", REPLAY),
        ("shared", JOB_FIFO, REPLAY),
    ]
    assert _errors(found["alone", "fifo", PROFILES]) == pytest.approx([0.0, 0.0], abs=1e-6)
    # The mix began at its submissions' times: both at once.
    replay = found["shared", "fifo", REPLAY]
    assert _errors(replay) == pytest.approx([0.0, 0.0], abs=1e-6)
    assert replay.makespans_s == ((pytest.approx(0.270), pytest.approx(0.270)),)
    assert result.driver_share == pytest.approx((40 + 15) / (190 + 115))


def _errors(experiment: Experiment) -> list[float]:
    return [prediction.error for prediction in experiment.predictions]


def test_contention_is_time_together_over_time_alone(tmp_path: Path) -> None:
    recording = Recording()
    recording.alone("b", 0)
    recording.run("b", 1000, [[(1020, 1220), (1020, 1120)]], 1230)  # 300 ms of tasks, 20 of driver
    first, second = (to_profile(run, lag_ms=100) for run in recording.runs(tmp_path))
    factors = contention({"b": [first]}, [second])
    assert factors.tasks == pytest.approx(300 / 200)
    assert factors.driver == pytest.approx(30 / 15)


def test_every_other_round_is_calibrated_last() -> None:
    plan = SparkPlan(queries=("q1", "q6"), num_submissions=5, repeats=2, warm_ups=1)
    groups = Groups(plan)
    names = [[item.query for item in group] for group in groups.submissions]
    alone = [["q1"], ["q6"]]
    calibration, mix = names[4], names[7]
    assert names == [*alone, *alone, calibration, *alone, mix, *alone, mix, *alone, calibration]
    # As often as any other, within one; other orders and times in the other mix.
    assert sorted(calibration)[:2] == ["q1", "q1"]
    assert sorted(calibration)[-2:] == ["q6", "q6"]
    assert groups.submissions[4] != groups.submissions[7]
    assert groups.submissions == Groups(plan).submissions
    times_s = [item.at_s for item in groups.submissions[4]]
    assert times_s[0] == 0.0
    assert times_s == sorted(times_s)
    # Runs are told apart by their place, whatever they are.
    runs = tuple((f"{number}",) * len(group) for number, group in enumerate(names))
    first, second = groups.sorted(SparkSession(runs, "4"))  # type: ignore[arg-type]
    assert first == Round(("2", "3"), ("4",) * 5, ("5", "6"), ("7",) * 5)  # type: ignore[arg-type]
    assert second == Round(("11", "12"), ("13",) * 5, ("8", "9"), ("10",) * 5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--queries q1,q23", "no query 'q23' in TPC-H; there are q1 to q22"),
        ("--queries q1,q1", "query 'q1' is named twice"),
        ("--cores 0", "cores is 0, expected 1 to 1024"),
        ("--submissions 1", "num_submissions is 1, expected 2 to 1000"),
        ("--interval nan", "interval_s is nan, expected 0 to 3600"),
        ("--scale-factor 0", "scale_factor is 0, expected 0.001 to 1000"),
        ("--mode lifo", "mode"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    arguments: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("lsched.validate.spark.check_spark", lambda: None)
    out = tmp_path / "out"
    assert main(["validate", "spark", *arguments.split(), "--out", str(out)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_without_pyspark_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    assert main(["validate", "spark"]) == 2
    assert "needs the spark extra: pip install 'lsched[spark]'" in capsys.readouterr().err


SMALL = ["--scale-factor", "0.01", "--queries", "q1,q6", "--submissions", "3", "--repeats", "2"]
SMALL += ["--warm-ups", "1", "--interval", "0.1", "--memory-gb", "1"]


@needs_spark
@pytest.mark.slow
def test_spark_is_measured_and_predicted(tmp_path: Path) -> None:
    pytest.importorskip("duckdb_extension_tpch", reason="DuckDB is not installed (extra 'capture')")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "lsched", "validate", "spark", *SMALL, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "errors" in done.stdout
    assert sorted(file.name for file in out.iterdir()) == [
        "config.json",
        "predictions.png",
        "results.json",
    ]
    document = json.loads((out / "results.json").read_text())
    assert [part["name"] for part in document["parts"]] == ["FIFO", "FAIR"]
    for part in document["parts"]:
        assert 0.0 < part["driver_share"] < 1.0
        by_model = {(e["runs"], e["rule"], e["model"]): e for e in part["experiments"]}
        assert len(by_model) == (7 if part["name"] == "FIFO" else 5)
        for (runs, _, model), experiment in by_model.items():
            # Three in the mix; of a replay, in each of two rounds.
            num_predictions = 2 if runs == "alone" else 6 if model == REPLAY else 3
            predictions = experiment["predictions"]
            assert len(predictions) == num_predictions
            for prediction in predictions:
                assert len(prediction["measured_s"]) == (1 if model == REPLAY else 2)
                assert 0.0 < prediction["predicted_s"] < 600.0
                assert all(0.0 < value < 600.0 for value in prediction["measured_s"])
        # A replay has the times of the very run, so little is left but the order.
        rule = JOB_FIFO if part["name"] == "FIFO" else "fair"
        assert by_model["shared", rule, REPLAY]["accuracy"]["median_error"] < 0.5


@needs_spark
@pytest.mark.slow
def test_a_signal_ends_spark_and_leaves_nothing(tmp_path: Path) -> None:
    scratch, out = tmp_path / "tmp", tmp_path / "out"
    scratch.mkdir()
    command = [sys.executable, "-m", "lsched", "validate", "spark", *SMALL, "--out", str(out)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(scratch)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "group 1 of" in line:
            break
    time.sleep(0.2)  # into the next group
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, error
    assert error.splitlines()[-1] == "terminated"
    assert not out.exists()
    left = [path for path in scratch.iterdir() if path.name.startswith("lsched-")]
    assert not left
