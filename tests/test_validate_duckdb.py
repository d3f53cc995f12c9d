"""Queries at once on DuckDB: predictions worked out by hand, and a small real run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim
from lsched.cli import main
from lsched.validate.duckdb import (
    CALIBRATED,
    PLAIN,
    DuckdbPlan,
    Measured,
    evaluate,
    groups,
)
from lsched.validate.duckdb_model import SHARING, Profiles, contention, interference, predict
from traces import Operator, Plan
from traces.capture.duckdb_groups import num_processors
from traces.capture.together import Submission, Timing

SCAN = Operator(kind="scan", num_work_orders=4, work_order_us=(10_000,) * 4)
PROFILES = Profiles(
    plans={
        "q1": Plan(name="q1", operators=(SCAN,)),
        "q2": Plan(
            name="q2",
            operators=(Operator(kind="scan", num_work_orders=2, work_order_us=(10_000,) * 2),),
        ),
    },
    planning_us={"q1": 1000, "q2": 1000},
)
ONE = sim.Cluster(executors_per_node=1)


def test_queries_at_once_share_time_equally() -> None:
    # Work of 40 and 20 ms in turns of 10 ms from 1 ms on: q1, q2, q1, q2, q1, q1.
    assert predict(["q1", "q2"], PROFILES, ONE, SHARING) == pytest.approx([0.061, 0.041])
    assert predict(["q1", "q2"], PROFILES, ONE, "fifo") == pytest.approx([0.041, 0.061])
    two = ONE.replace(executors_per_node=2)
    assert predict(["q2", "q1"], PROFILES, two, SHARING) == pytest.approx([0.021, 0.031])
    assert predict(["q1"], PROFILES, two, SHARING) == pytest.approx([0.021])


def test_coefficients_give_back_the_slowdown_that_they_come_from() -> None:
    two = sim.Cluster(executors_per_node=2, interference=interference(PROFILES, 2, 1.5))
    # Two queries on one executor each: each is 1.5 × slower while both run.
    assert predict(["q2", "q2"], PROFILES, two, "fair") == pytest.approx([0.031, 0.031])
    two = sim.Cluster(executors_per_node=2, contention=contention(PROFILES, 2, 1.5))
    assert predict(["q1"], PROFILES, two, SHARING) == pytest.approx([0.031])
    assert interference(PROFILES, 2, 0.9) == 0.0
    assert contention(PROFILES, 2, 0.9) == 0.0


def test_each_query_runs_at_each_concurrency() -> None:
    plan = DuckdbPlan(queries=("q1", "q2", "q3"))
    for count in (1, 2, 3, 4):
        made = groups(plan, count)
        assert [len(group) for group in made] == [count] * -(-3 // count)
        assert {submission.query for group in made for submission in group} == {"q1", "q2", "q3"}
        assert all(len({item.label for item in group}) == count for group in made)
        assert made == groups(plan, count)
    assert groups(plan, 4) != groups(DuckdbPlan(queries=plan.queries, seed=1), 4)


def _timed(latency_s: float, *names: str) -> list[Timing]:
    return [Timing(Submission(f"0.{at} {n}", n), 0.0, 0.0, latency_s) for at, n in enumerate(names)]


def test_calibration_is_apart_from_what_is_predicted() -> None:
    plan = DuckdbPlan(queries=("q1", "q2"), threads=(2,), concurrency=(1, 2), repeats=1)
    measured = Measured(
        groups=[[[_timed(0.050, "q1"), _timed(0.020, "q2")], [_timed(0.100, "q1", "q2")]]],
        single=[[_timed(0.040, "q1"), _timed(0.020, "q2")]],
        copies=[[_timed(0.060, "q1", "q1"), _timed(0.030, "q2", "q2")]],
        alone=[[_timed(0.040, "q1"), _timed(0.020, "q2")]],
    )
    result = evaluate(plan, 2, measured, PROFILES)
    # Copies take 1.5 ×: γ × 0.8 (scans) × ½ = 0.5.
    assert result.interference == pytest.approx(0.5 * 2 / 0.8)
    # Alone with two executors that interfere: 31 and 16 ms simulated, 60 measured in all.
    assert result.contention == pytest.approx((60 / 47 - 1) / 0.6)
    labels = [(item.runs, item.rule, item.model) for item in result.experiments]
    assert labels == [
        ("alone", "equal time", PLAIN),
        ("alone", "equal time", CALIBRATED),
        ("2 at once", "equal time", PLAIN),
        ("2 at once", "equal time", CALIBRATED),
        ("2 at once", "fair", CALIBRATED),
        ("2 at once", "fifo", CALIBRATED),
    ]
    plain = result.experiments[0]
    assert [p.measured_s for p in plain.predictions] == [(0.050,), (0.020,)]
    assert [p.predicted_s for p in plain.predictions] == pytest.approx([0.021, 0.011])
    assert plain.makespans_s == ((0.050, pytest.approx(0.021)), (0.020, pytest.approx(0.011)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--queries q0", "no query 'q0' in TPC-H; there are q1 to q22"),
        ("--threads 1,x", "--threads is '1,x', expected whole numbers separated by commas"),
        ("--threads 1,1", "threads is 1,1, expected different numbers from 1 to 64"),
        ("--concurrency 0", "concurrency is 0, expected different numbers from 1 to 64"),
        ("--repeats 0", "repeats is 0, expected 1 to 100"),
        (f"--threads {num_processors() + 1}", f"this process may use {num_processors()} proc"),
    ],
)
def test_mistakes_are_told(
    arguments: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["validate", "duckdb", *arguments.split(), "--out", str(out)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_duckdb_is_measured_and_predicted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("duckdb_extension_tpch", reason="DuckDB is not installed (extra 'capture')")
    out, threads = tmp_path / "out", min(2, num_processors())
    arguments = ["--scale-factor", "0.01", "--queries", "q1,q3,q6", "--repeats", "2"]
    arguments += ["--threads", str(threads), "--concurrency", "1,3", "--out", str(out)]
    assert main(["validate", "duckdb", *arguments]) == 0
    assert "errors" in capsys.readouterr().out
    assert sorted(file.name for file in out.iterdir()) == [
        "config.json",
        "predictions.png",
        "results.json",
    ]
    document = json.loads((out / "results.json").read_text())
    assert document["engine"].startswith("DuckDB")
    assert document["settings"]["queries"] == ["q1", "q3", "q6"]
    (part,) = document["parts"]
    assert {item["runs"] for item in part["experiments"]} == {"alone", "3 at once"}
    for experiment in part["experiments"]:
        predictions = experiment["predictions"]
        assert sorted(item["query"] for item in predictions) == ["q1", "q3", "q6"]
        for prediction in predictions:
            assert len(prediction["measured_s"]) == 2
            values = (*prediction["measured_s"], prediction["predicted_s"])
            assert all(0.0 < value < 60.0 for value in values)
