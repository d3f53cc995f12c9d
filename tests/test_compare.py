"""Comparisons: paired seeds, statistics, files, independence of the number of workers."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from builders import op, plan, trace

import traces
from lsched import Arrivals, Comparison, OptionError, compare
from lsched.output import output_directory
from lsched.report import results, write_comparison
from lsched.statistics import paired_ratio
from sim import Cluster, SchedulerError
from traces import Trace

WALL_CLOCK = {"wall_s", "mean_schedule_us"}
SMALL = Cluster(executors_per_node=2)
POISSON = Arrivals(load=0.6, num_queries=12)


def small_trace() -> Trace:
    return trace(
        plan(op(900, 1100, count=3), op(500), edges="0>1", name="a"),
        plan(op(4000, 6000, count=4), name="b"),
    )


def small_comparison(workers: int = 1) -> Comparison:
    return compare(
        small_trace(),
        ["fifo", "fair", "oracle-srpt"],
        cluster=SMALL,
        arrivals=POISSON,
        seeds=3,
        workers=workers,
    )


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return small_comparison()


def without_wall_clock(value: object) -> object:
    if isinstance(value, dict):
        return {k: without_wall_clock(v) for k, v in value.items() if k not in WALL_CLOCK}
    if isinstance(value, list):
        return [without_wall_clock(item) for item in value]
    return value


def test_same_arrivals_and_luck_for_every_scheduler(comparison: Comparison) -> None:
    outcomes = list(comparison.cases[0].outcomes.values())
    for runs in zip(*(outcome.runs for outcome in outcomes), strict=True):
        assert len({run.seed for run in runs}) == 1
        met = [
            sorted((q.query_id, q.plan, q.arrival_s, q.isolated_s, q.work_s) for q in run.queries)
            for run in runs
        ]
        assert met[0] == met[1] == met[2]
    first, second, _ = outcomes[0].runs
    assert [q.arrival_s for q in first.queries] != [q.arrival_s for q in second.queries]


def test_number_of_workers_changes_nothing(comparison: Comparison) -> None:
    parallel = small_comparison(workers=2)
    assert without_wall_clock(results(parallel)) == without_wall_clock(results(comparison))
    assert [run.queries for o in parallel.cases[0].outcomes.values() for run in o.runs] == [
        run.queries for o in comparison.cases[0].outcomes.values() for run in o.runs
    ]


def test_results_json_from_queries_csv(comparison: Comparison, tmp_path: Path) -> None:
    write_comparison(comparison, tmp_path, {"load": 0.6})
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["version"] == 1
    assert document["trace"] == "test"
    assert document["arrivals"]["load"] == 0.6
    assert document["cluster"]["name"] == "custom"
    assert document["cluster"]["executors_per_node"] == 2
    assert document["seeds"] == [0, 1, 2]
    assert document["reference"] == "fair"
    assert document["options"] == {"load": 0.6}
    with (tmp_path / "queries.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 3 * 12
    isolated = [float(row["isolated_s"]) for row in rows if row["scheduler"] == "fifo"]
    bound = document["lower_bound"]
    assert bound["method"] == "fast"
    assert [entry["seed"] for entry in bound["per_seed"]] == [0, 1, 2]
    assert bound["mean_latency_s"] >= np.mean(isolated) * (1 - 1e-12)
    for key in ("mean_latency_s", "makespan_s"):
        assert bound[key] == pytest.approx(np.mean([each[key] for each in bound["per_seed"]]))
    for each in bound["per_seed"]:
        assert each["mean_latency_s"] == max(each["means_s"].values())
        assert each["means_s"][each["best"]] == each["mean_latency_s"]
    assert set(document["schedulers"]) == {"fifo", "fair", "oracle-srpt"}
    for name, figures in document["schedulers"].items():
        mine = [row for row in rows if row["scheduler"] == name]
        latencies = np.array([float(row["latency_s"]) for row in mine])
        assert figures["mean_latency_s"] == pytest.approx(latencies.mean())
        for key in bound.keys() & figures.keys() - {"per_seed"}:
            assert figures[key] >= bound[key] > 0
        for percentile in (50, 90, 95, 99):
            expected = np.percentile(latencies, percentile)
            assert figures[f"p{percentile}_latency_s"] == pytest.approx(expected)
            assert bound[f"p{percentile}_latency_s"] == pytest.approx(
                np.percentile(isolated, percentile)
            )
        slowdowns = [float(row["slowdown"]) for row in mine]
        assert figures["mean_slowdown"] == pytest.approx(np.mean(slowdowns))
        assert figures["num_queries"] == 12
        assert figures["is_clairvoyant"] == (name == "oracle-srpt")
        assert [entry["seed"] for entry in figures["per_seed"]] == [0, 1, 2]
        for entry in figures["per_seed"]:
            of_seed = [row for row in mine if int(row["seed"]) == entry["seed"]]
            ends = [float(row["completion_s"]) for row in of_seed]
            starts = [float(row["arrival_s"]) for row in of_seed]
            busy = sum(float(row["work_s"]) + float(row["delay_s"]) for row in of_seed)
            makespan = max(ends) - min(starts)
            assert entry["makespan_s"] == pytest.approx(makespan)
            assert entry["utilization"] == pytest.approx(busy / (2 * makespan))
            assert entry["num_work_orders"] == sum(int(row["num_work_orders"]) for row in of_seed)
        for key in ("num_schedules", "mean_schedule_us", "wall_s"):
            expected = np.mean([entry[key] for entry in figures["per_seed"]])
            assert figures[key] == pytest.approx(expected)
        ratios = [
            math.log(entry["mean_latency_s"] / other["mean_latency_s"])
            for entry, other in zip(
                figures["per_seed"], document["schedulers"]["fair"]["per_seed"], strict=True
            )
        ]
        ratio = figures["ratio_to_reference"]["mean_latency_s"]
        assert ratio["value"] == pytest.approx(math.exp(np.mean(ratios)))


def test_paired_ratio_by_hand() -> None:
    # Ratios 1/2, 1/4, 1/8: logarithms -1, -2, -3 times log 2, standard deviation log 2, and
    # Student's t with two degrees of freedom is 4.302653.
    ratio = paired_ratio([1.0, 1.0, 1.0], [2.0, 4.0, 8.0])
    half = 4.302653 * math.log(2) / math.sqrt(3)
    assert ratio.value == pytest.approx(0.25)
    assert ratio.low == pytest.approx(0.25 * math.exp(-half), rel=1e-6)
    assert ratio.high == pytest.approx(0.25 * math.exp(half), rel=1e-6)


def test_one_seed_has_no_interval() -> None:
    ratio = paired_ratio([3.0], [2.0])
    assert (ratio.value, ratio.low, ratio.high) == (pytest.approx(1.5), None, None)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        arrivals = generator.lognormal(0.0, 1.0, 8)
        values = 0.8 * arrivals * generator.lognormal(0.0, 0.1, 8)
        ratio = paired_ratio(values, arrivals)
        assert ratio.low is not None
        assert ratio.high is not None
        hits += ratio.low <= 0.8 <= ratio.high
    # Binomial: three standard deviations are 21.
    assert abs(hits - 950) < 21


def test_several_traces_and_loads(tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    traces.write(small_trace(), one)
    traces.write(small_trace(), two)
    several = compare(
        [one, str(two)],
        "fifo",
        cluster=SMALL,
        arrivals=[Arrivals(load=load, num_queries=3) for load in (0.2, 0.5)],
        seeds=[5],
    )
    assert [case.label for case in several.cases] == [
        "one, load 0.2",
        "one, load 0.5",
        "two, load 0.2",
        "two, load 0.5",
    ]
    documents = results(several)["comparisons"]
    assert isinstance(documents, list)
    alone = results(
        compare(one, "fifo", cluster=SMALL, arrivals=Arrivals(load=0.5, num_queries=3), seeds=[5])
    )
    of_all = ("options", "lsched_version", "versions", "is_complete", "incomplete")
    expected = {k: v for k, v in alone.items() if k not in of_all}
    expected |= {"trace": "one", "label": "one, load 0.5"}
    assert without_wall_clock(documents[1]) == without_wall_clock(expected)
    assert len(several.rows()) == 4


def test_replay_by_default_and_reference_is_the_first_without_fair() -> None:
    replay = compare(small_trace(), ["sjf", "fifo"], cluster=SMALL, seeds=1)
    assert replay.reference == "sjf"
    run = replay.cases[0].outcomes["fifo"].runs[0]
    assert {query.query_id for query in run.queries} == {0, 1}


def test_a_failing_scheduler_names_trace_scheduler_and_seed(tmp_path: Path) -> None:
    file = tmp_path / "late.py"
    file.write_text(
        "class Late:\n"
        "    def __init__(self, seed: int) -> None:\n"
        "        self.seed = seed\n"
        "    def decide(self, view):\n"
        "        if self.seed == 4:\n"
        "            raise RuntimeError('boom')\n"
        "        return [__import__('sim').Allocation(operator, view.num_executors)\n"
        "                for query in view.queries for operator in query.schedulable]\n"
    )
    for workers in (1, 2):
        with pytest.raises(SchedulerError, match=r"trace 'test', .*Late', seed 4: .*boom.*late.py"):
            compare(small_trace(), f"{file}:Late", cluster=SMALL, seeds=[3, 4, 5], workers=workers)


def test_bad_arguments() -> None:
    with pytest.raises(OptionError, match="there twice"):
        compare(small_trace(), ["fifo", "fifo"], cluster=SMALL)
    with pytest.raises(OptionError, match="at least one"):
        compare([], "fifo", cluster=SMALL)
    with pytest.raises(OptionError, match="no seeds"):
        compare(small_trace(), "fifo", cluster=SMALL, seeds=0)
    with pytest.raises(OptionError, match="did you mean 'fifo'"):
        compare(small_trace(), ["fifo"], cluster=SMALL, reference="fifi")
    with pytest.raises(OptionError, match="workers is 0"):
        compare(small_trace(), ["fifo"], cluster=SMALL, workers=0)


def fail_after_writing(target: Path) -> None:
    with output_directory(target) as directory:
        (directory / "a").write_text("half")
        raise RuntimeError


def test_output_directory_is_complete_or_unchanged(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with pytest.raises(RuntimeError):
        fail_after_writing(target)
    assert list(tmp_path.iterdir()) == []
    with output_directory(target) as directory:
        (directory / "a").write_text("first")
        assert not target.exists()
    (target / "mine").write_text("kept")
    with pytest.raises(RuntimeError):
        fail_after_writing(target)
    assert (target / "a").read_text() == "first"
    with output_directory(target) as directory:
        (directory / "a").write_text("second")
    assert (target / "a").read_text() == "second"
    assert sorted(path.name for path in target.iterdir()) == ["a", "mine"]
    assert [path.name for path in target.parent.iterdir()] == ["out"]
