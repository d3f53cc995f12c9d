"""Decima's profiles: nothing lost, and a query alone takes what list scheduling by hand says."""

from __future__ import annotations

import gzip
import json
import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import check_fuzzed

import sim
import traces
from lsched.cli import main
from traces import Plan, Query, Trace, TraceError
from traces.importers.decima import import_decima

SAMPLES = Path(__file__).parents[2] / "shared" / "data" / "decima_tpch"
DOCUMENT = SAMPLES / "tpch_decima.json.gz"
needs_samples = pytest.mark.skipif(not DOCUMENT.exists(), reason="the sample profiles are not here")

STAGES: list[dict[str, dict[int, list[float]]]] = [
    {
        "first_wave": {2: [40, 50], 5: [60, 61, 62]},
        "rest_wave": {2: [10, 20], 5: [11]},
        "fresh_durations": {2: [50], 5: [60, 61, 62]},
    },
    {"first_wave": {2: [7]}, "rest_wave": {2: []}, "fresh_durations": {2: []}},
]
"""Two stages, the second after the first."""


RECORDED = [40, 50, 60, 61, 62, 10, 20, 11, 50, 60, 61, 62, 7]


def write_npy(folder: Path, prefix: str = "", stages: Any = STAGES, query: int = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{prefix}adj_mat_{query}.npy", np.array([[0.0, 1.0], [0.0, 0.0]]))
    box = np.array(None, object)
    box[()] = dict(enumerate(stages))
    np.save(folder / f"{prefix}task_duration_{query}.npy", box, allow_pickle=True)
    return folder


def document(stages: Any = STAGES) -> bytes:
    profile = {"edges": [[0, 1]], "stages": [{"durations": stage} for stage in stages]}
    return json.dumps({"profiles": {"2g": {"1": profile}}}).encode()


def alone(plan: Plan) -> Trace:
    return Trace(
        name="alone",
        plans=(plan,),
        queries=(Query(query_id=0, plan=plan.name, arrival_us=0),),
    )


def test_waves_by_hand(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(document())
    (plan,) = import_decima(tmp_path / "x.json").plans
    first, second = plan.operators
    assert plan.name == "tpch-2g-q1"
    assert [edge.is_pipeline_breaker for edge in plan.edges] == [True]
    assert (first.num_work_orders, second.num_work_orders) == (4, 1)
    at_two, at_five = first.waves
    # The fresh 50 is taken out of the first wave; at five executors nothing is left of it, so the
    # one at two stands in.
    assert (at_two.fresh, at_two.first, at_two.rest) == ((50_000,), (40_000,), (10_000, 20_000))
    assert (at_five.fresh, at_five.first) == ((60_000, 61_000, 62_000), (40_000,))
    times = [50, 40, 10, 20, 60, 61, 62, 40, 11]
    assert sorted(first.work_order_us) == sorted(1000 * time for time in times)
    assert first.est_work_order_us is None


def test_nothing_is_lost_or_counted_twice(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(document())
    source = import_decima(tmp_path / "x.json").source
    assert (source["plans"], source["stages"], source["tasks"]) == ("1", "2", "5")
    assert source["recorded"] == f"13 task times, {sum(RECORDED) / 1000:.3f} s"
    assert source["taken out"].startswith("4 of fresh tasks")
    assert source["taken out"].endswith(f", {(50 + 60 + 61 + 62) / 1000:.3f} s")
    assert source["filled in"] == "1 where no first wave is left, 0.040 s"


@pytest.mark.parametrize("layout", ["2g/adj_mat_1.npy", "2g_adj_mat_1.npy"])
def test_both_layouts_and_the_document_are_the_same(tmp_path: Path, layout: str) -> None:
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(document()))
    folder = tmp_path / "a b's [x]"
    write_npy(folder / "2g") if "/" in layout else write_npy(folder, "2g_")
    assert import_decima(folder).plans == import_decima(tmp_path / "x.json.gz").plans


def test_each_task_at_its_stages_mean_takes_what_list_scheduling_takes(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(document())
    (plan,) = import_decima(tmp_path / "x.json", times="mean").plans
    mean_us = round(sum([50, 40, 10, 20, 60, 61, 62, 40, 11]) / 9) * 1000
    cluster = sim.Cluster(executors_per_node=3, move_delay_us=2_000_000, release="pipeline")
    (record,) = sim.simulate(alone(plan), "fair", cluster=cluster).queries
    # Three executors come after 2 s; four tasks need two rounds; then the one task of 7 ms.
    assert record.latency_s == pytest.approx(2 + (2 * mean_us + 7000) / 1e6)


@needs_samples
def test_every_recorded_time_is_imported() -> None:
    raw = json.loads(gzip.decompress(DOCUMENT.read_bytes()))["profiles"]
    trace = import_decima(DOCUMENT)
    assert len(trace.plans) == sum(map(len, raw.values())) == 7 * 22
    assert len(trace.queries) == 200
    num_stages = num_tasks = 0
    recorded: list[int] = []
    used_us = 0
    for size, queries in raw.items():
        for number, profile in queries.items():
            plan = trace.plan(f"tpch-{size}-q{number}")
            assert [[e.producer, e.consumer] for e in plan.edges] == profile["edges"]
            for operator, stage in zip(plan.operators, profile["stages"], strict=True):
                num_stages += 1
                num_tasks += stage["num_tasks"]
                assert operator.num_work_orders == stage["num_tasks"]
                rough_us = stage["rough_duration_ms"] * 1000
                assert operator.mean_work_order_us == pytest.approx(rough_us, abs=1)
                _check_waves(operator, stage["durations"])
                kinds = stage["durations"].values()
                recorded += [time for kind in kinds for times in kind.values() for time in times]
                used_us += sum(sum(w.fresh) + sum(w.first) + sum(w.rest) for w in operator.waves)
    assert trace.source["stages"] == f"{num_stages:,}" == "1,414"
    assert trace.source["tasks"] == f"{num_tasks:,}" == "177,890"
    assert (
        trace.source["recorded"] == f"{len(recorded):,} task times, {sum(recorded) / 1000:,.3f} s"
    )
    # In = in the waves + taken out - filled in, to the millisecond.
    assert trace.source["taken out"].startswith("55,799 of")
    assert trace.source["filled in"].startswith("1,880 where")
    taken_out_ms, filled_in_ms = (
        round(1000 * float(trace.source[key].split()[-2].replace(",", "")))
        for key in ("taken out", "filled in")
    )
    assert used_us == 1000 * (sum(recorded) - taken_out_ms + filled_in_ms)


def _check_waves(operator: traces.Operator, durations: dict[str, Any]) -> None:
    """Each list is the recorded one; first waves as the document's own note says."""
    waves = {wave.num_executors: wave for wave in operator.waves}
    previous: list[int] = []
    for executors in sorted(map(int, durations["first_wave"])):
        lists = [durations[kind].get(str(executors), []) for kind in durations]
        recorded = dict(zip(durations, lists, strict=True))
        first = list(
            (Counter(recorded["first_wave"]) - Counter(recorded["fresh_durations"])).elements()
        )
        previous = first or previous
        if not (previous or recorded["fresh_durations"] or recorded["rest_wave"]):
            continue
        wave = waves[executors]
        for ours, theirs in (
            (wave.fresh, recorded["fresh_durations"]),
            (wave.first, previous),
            (wave.rest, recorded["rest_wave"]),
        ):
            assert sum(ours) == 1000 * sum(theirs)
            assert len(ours) == len(theirs)


@needs_samples
def test_the_pickles_are_the_same_as_the_document() -> None:
    from_npy, from_json = import_decima(SAMPLES), import_decima(DOCUMENT)
    assert [plan.name for plan in from_npy.plans] == ["tpch-2g-q3", "tpch-2g-q9", "tpch-2g-q18"]
    for plan in from_npy.plans:
        assert plan == from_json.plan(plan.name)


@needs_samples
def test_a_replay() -> None:
    trace = import_decima(DOCUMENT, sizes=["2g"], num_queries=30)
    assert sim.simulate(trace, "fair", cluster="spark-50").summary()["num_queries"] == 30


WRONG: dict[str, tuple[Any, str]] = {
    "negative": ({0: {2: [-1]}}, r"first_wave\.2: time -1, expected 0"),
    "text": ({0: {2: ["x"]}}, "first_wave"),
    "no executors": ({0: {0: [1]}}, "0 executors, expected 1"),
    "no tasks": ({0: {2: []}}, "stage 0 has no tasks"),
    "not a number": ({0: {2: [math.nan]}}, "first_wave"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_times_name_the_place(tmp_path: Path, case: str) -> None:
    changed, message = WRONG[case]
    stages = [{**STAGES[0], "first_wave": changed[0], "rest_wave": {}}, STAGES[1]]
    with pytest.raises(TraceError, match=rf"task_duration_1\.npy: .*{message}"):
        import_decima(write_npy(tmp_path / "2g", stages=stages).parent)


def test_wrong_files_and_options(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no adj_mat_"):
        import_decima(tmp_path)
    folder = write_npy(tmp_path / "2g")
    with pytest.raises(TraceError, match="no size '3g', there are 2g"):
        import_decima(tmp_path, sizes=["3g"])
    with pytest.raises(TraceError, match="no query '2', there are 1"):
        import_decima(tmp_path, only=["2"])
    write_npy(tmp_path / "5g", query=2)
    with pytest.raises(TraceError, match="none of queries 1 at 5g"):
        import_decima(tmp_path, sizes=["5g"], only=["1"])
    shutil.rmtree(tmp_path / "5g")
    shutil.move(folder / "task_duration_1.npy", tmp_path / "elsewhere")
    with pytest.raises(TraceError, match=r"task_duration_1\.npy is not beside it"):
        import_decima(tmp_path)
    np.save(folder / "adj_mat_1.npy", np.array([[0.0, 0.5], [0.0, 0.0]]))
    with pytest.raises(TraceError, match=r"adj_mat_1\.npy: expected only 0 and 1"):
        import_decima(tmp_path)
    (tmp_path / "cyclic.json").write_bytes(document().replace(b"[[0, 1]]", b"[[0, 1], [1, 0]]"))
    with pytest.raises(TraceError, match=r"cyclic\.json: profiles\.2g\.1: .*cycle"):
        import_decima(tmp_path / "cyclic.json")
    seconds = b'{"units": "seconds", ' + document()[1:]
    (tmp_path / "seconds.json").write_bytes(seconds)
    with pytest.raises(TraceError, match="units: 'seconds', expected 'milliseconds'"):
        import_decima(tmp_path / "seconds.json")
    write_npy(tmp_path / "2g", stages=STAGES[:1])
    with pytest.raises(TraceError, match=r"task_duration_1\.npy: .* by stage, 0 to 1, as adj_mat"):
        import_decima(tmp_path)


def test_both_layouts_at_once_are_refused(tmp_path: Path) -> None:
    write_npy(tmp_path / "2g")
    write_npy(tmp_path, "2g_")
    with pytest.raises(TraceError, match=r"query 1 at 2g is also in .*2g_adj_mat_1\.npy"):
        import_decima(tmp_path)


def test_the_directory_of_a_size_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_npy(tmp_path / "2g"))
    assert [plan.name for plan in import_decima(Path()).plans] == ["tpch-2g-q1"]


def test_small_files_do_not_fill_the_memory(tmp_path: Path) -> None:
    long = [1] * 200_000
    named_often = {**STAGES[0], "first_wave": dict.fromkeys(range(1, 1000), long)}
    write_npy(tmp_path / "2g", stages=[named_often, STAGES[1]])
    with pytest.raises(TraceError, match="list is used twice"):
        import_decima(tmp_path)
    # The clean-up puts the list at one number of executors wherever there is none.
    filled = {**STAGES[0], "first_wave": {2: long, **{e: [] for e in range(3, 100)}}}
    write_npy(tmp_path / "2g", stages=[filled, STAGES[1]])
    with pytest.raises(TraceError, match="more than 10,000,000 times"):
        import_decima(tmp_path)
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(b" " * 40_000_000 + document(), 1))
    with pytest.raises(TraceError, match=r"x\.json\.gz: larger than"):
        import_decima(tmp_path / "x.json.gz")


def test_mutated_files(tmp_path: Path) -> None:
    assert check_fuzzed(import_decima, document(), tmp_path, "x.json", 300) > 0
    folder = write_npy(tmp_path / "2g")
    for name in ("adj_mat_1.npy", "task_duration_1.npy"):
        content = (folder / name).read_bytes()
        check_fuzzed(lambda path: import_decima(path.parents[1]), content, folder, name, 300)
        (folder / name).write_bytes(content)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_npy(tmp_path / "2g")
    write_npy(tmp_path / "10g")
    write_npy(tmp_path / "10g", query=22)
    out = tmp_path / "x.jsonl.gz"
    command = ["import", "decima", str(tmp_path), "--out", str(out)]
    chosen = ["--queries", "5", "--sizes", "2g, 10g", "--only", "1", "--times", "mean"]
    assert main([*command, *chosen]) == 0
    trace = traces.load(out)
    assert [plan.name for plan in trace.plans] == ["tpch-2g-q1", "tpch-10g-q1"]
    assert len(trace.queries) == 5
    assert "tasks: 10" in capsys.readouterr().out
    assert main([*command, "--interval", "-1"]) == 2
    assert "interval is -1 s" in capsys.readouterr().err
    source = tmp_path / "x.json"
    source.write_bytes(document())
    assert main(["import", "decima", str(source), "--out", str(source)]) == 2
    assert "both read and written" in capsys.readouterr().err
    assert source.read_bytes() == document()
