"""Importing the Alibaba cluster trace v2018: small files that follow ``batch_task.csv``."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import pytest
from fuzzing import check_fuzzed
from table_files import write_csv, write_parquet

import sim
from lsched.cli import main
from traces import Plan, Trace, TraceError, TraceStream, read
from traces.importers.alibaba import COLUMNS, import_alibaba

pytest.importorskip("duckdb", reason="DuckDB is not installed (extra 'import')")

DAY_S = 86_400
TYPES = {
    **dict.fromkeys(("instance_num", "start_time", "end_time"), "BIGINT"),
    **dict.fromkeys(("plan_cpu", "plan_mem"), "DOUBLE"),
}


def task(
    job: str, name: str, start: int | None, end: int | None, **changes: object
) -> dict[str, Any]:
    """A row of ``batch_task.csv``."""
    row: dict[str, Any] = {
        "task_name": name,
        "instance_num": 2,
        "job_name": job,
        "task_type": "1",
        "status": "Terminated",
        "start_time": start,
        "end_time": end,
        "plan_cpu": 100.0,
        "plan_mem": 0.49,
    }
    assert list(row) == [column.name for column in COLUMNS]
    assert changes.keys() <= row.keys()
    return row | changes


DIAMOND = [
    task("j_1", "M1", DAY_S + 100, DAY_S + 110, instance_num=4),
    task("j_1", "R2_1", DAY_S + 110, DAY_S + 130),
    task("j_1", "M3_1", DAY_S + 111, DAY_S + 111, instance_num=7),
    task("j_1", "R4_2", DAY_S + 131, DAY_S + 140),
    task("j_1", "J5_3_4", DAY_S + 140, DAY_S + 200, instance_num=1),
]
LOOSE = [
    task("j_2", "task_Nzg3ODAwNDgzMTAwNTc2NTQ2Mw==", DAY_S + 50, DAY_S + 60, plan_cpu=None),
    task("j_2", "MergeTask", DAY_S + 55, DAY_S + 57),
]
ODD_NAMES = [
    task("j_3", "M2_Stg1", 2 * DAY_S, 2 * DAY_S + 9),
    task("j_3", "J3_Stg2_2_7_x", 2 * DAY_S, 2 * DAY_S + 9),  # there is no task 7
    task("j_3", "Reduce4_3_3", 2 * DAY_S, 2 * DAY_S + 9),
    task("j_3", "_5_2", 2 * DAY_S, 2 * DAY_S + 9),
]
ROWS = DIAMOND + LOOSE + ODD_NAMES
LEFT_OUT = [
    task("j_4", "M1", 500, 600),
    task("j_4", "R2_1", 600, 700, status="Failed"),
    task("j_5", "M1", 0, 600),
    task("j_6", "M1", 600, None),
    task("j_7", "M1", 600, 700, instance_num=0),
    task("j_8", "M1_2", 600, 700),
    task("j_8", "R2_1", 600, 700),
    task("j_9", "M1_1", 600, 700),
    task("", "M1", 600, 700),
    task("j_11", "M1", 600, 700),
    task("j_11", "R1_1", 700, 800),
    task("j_10", "M1", 700, 700, status="Waiting"),
]


def read_rows(tmp_path: Path, rows: list[dict[str, Any]], **options: Any) -> TraceStream:
    return import_alibaba([write_csv(tmp_path / "t.csv", rows, has_header=False)], **options)


def edges(plan: Plan) -> list[tuple[str, str]]:
    names = [operator.name for operator in plan.operators]
    assert all(edge.is_pipeline_breaker for edge in plan.edges)
    return [(names[edge.producer], names[edge.consumer]) for edge in plan.edges]


def many_jobs(number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Jobs of one to six tasks, each waiting for one before it, in a random order of rows."""
    draw = random.Random(seed)
    rows = []
    for job in range(number):
        start = draw.randrange(1, 7 * DAY_S)
        for index in range(1, draw.randint(2, 7)):
            name = f"M{index}_{draw.randrange(1, index)}" if index > 1 else "M1"
            end = start + draw.randrange(90)
            rows.append(task(f"j_{job}", name, start, end, instance_num=draw.randint(1, 40)))
            start = end + 1
    draw.shuffle(rows)
    return rows


def test_jobs_become_plans_as_their_task_names_say(tmp_path: Path) -> None:
    imported = read_rows(tmp_path, ROWS[::-1] + LEFT_OUT).load()
    assert [plan.name for plan in imported.plans] == ["j_2", "j_1", "j_3"]
    loose, diamond, odd = imported.plans
    assert edges(loose) == []
    assert sorted(edges(diamond)) == [
        ("M1", "M3_1"), ("M1", "R2_1"), ("M3_1", "J5_3_4"), ("R2_1", "R4_2"), ("R4_2", "J5_3_4")
    ]  # fmt: skip
    assert sorted(edges(odd)) == [("J3_Stg2_2_7_x", "Reduce4_3_3"), ("M2_Stg1", "J3_Stg2_2_7_x")]
    by_name = {operator.name: operator for operator in diamond.operators}
    assert by_name["M1"].kind == "stage"
    assert (by_name["M1"].num_work_orders, by_name["M1"].work_order_us) == (4, (10_000_000,))
    # Begun and ended in the same second.
    assert (by_name["M3_1"].num_work_orders, by_name["M3_1"].work_order_us) == (7, (500_000,))
    first, second, third = imported.queries
    assert [query.arrival_us for query in (first, second, third)] == [
        50_000_000, 100_000_000, DAY_S * 1_000_000
    ]  # fmt: skip
    assert [query.recorded_latency_us for query in (first, second)] == [10_000_000, 100_000_000]
    assert imported.source["start"] == "86400 s after the start of the log"
    assert imported.source["jobs"] == "12, 3 of them imported"
    assert imported.source["parents that are not in their job"] == "1, ignored"
    assert imported.source["left out"] == (
        "2 with tasks beyond the ends of the log, 2 with tasks that did not terminate, "
        "1 with tasks without instances, 1 without a name, "
        "1 with two tasks of one number, 2 with tasks that wait for each other in a circle"
    )


def test_work_in_is_work_out_and_jobs_replay_in_order(tmp_path: Path) -> None:
    rows = many_jobs(120)
    imported = read_rows(tmp_path, rows).load()
    expected_us = sum(
        row["instance_num"] * max(row["end_time"] - row["start_time"], 0.5) * 1e6 for row in rows
    )
    assert len(imported.queries) == 120
    assert sum(plan.work_us for plan in imported.plans) == pytest.approx(expected_us, rel=1e-9)
    assert imported.source["work"].startswith(f"{expected_us / 1e6:,.0f} s")
    starts = {}
    for row in rows:
        starts[row["job_name"]] = min(row["start_time"], starts.get(row["job_name"], 10**9))
    origin = min(starts.values()) // DAY_S * DAY_S
    for query in imported.queries:
        assert query.arrival_us == 1_000_000 * (starts[query.plan] - origin)
    slice_of_it = Trace(name="a", plans=imported.plans, queries=imported.queries[:20])
    for scheduler in ("fifo", "fair"):
        result = sim.simulate(slice_of_it, scheduler, cluster=sim.Cluster(executors_per_node=50))
        assert len(result.queries) == 20


def test_windows_and_counts_select_jobs_by_arrival(tmp_path: Path) -> None:
    rows = many_jobs(150)
    everything = read_rows(tmp_path, rows).load()
    start_s, hours = 2 * DAY_S + 100, 30.0
    origin_us = 1_000_000 * int(everything.source["start"].split()[0])
    arrivals = {query.plan: origin_us + query.arrival_us for query in everything.queries}
    inside = [
        name for name, at in arrivals.items() if 0 <= at / 1e6 - start_s < 3600 * hours
    ]  # fmt: skip
    imported = read_rows(tmp_path, rows, start_s=start_s, hours=hours).load()
    assert [query.plan for query in imported.queries] == inside
    assert imported.source["left out"] == f"{150 - len(inside)} outside the window"
    first = read_rows(tmp_path, rows, start_s=start_s, hours=hours, max_queries=3).load()
    assert [query.plan for query in first.queries] == inside[:3]
    assert f", {len(inside) - 3} after the first 3" in first.source["left out"]


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "two files"])
def test_formats_and_pieces_give_the_same_jobs(tmp_path: Path, kind: str) -> None:
    rows = many_jobs(40)
    expected = read_rows(tmp_path, rows).load()
    if kind == "csv.gz":
        paths = [tmp_path / "t.csv.gz"]
        paths[0].write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    elif kind == "parquet":
        paths = [write_parquet(tmp_path / "we ird [x]*.parquet", rows, TYPES)]
    else:  # tasks of one job in both
        paths = [
            write_csv(tmp_path / f"part-{part}.csv", rows[part::2], has_header=False)
            for part in range(2)
        ]
    imported = import_alibaba(paths).load()
    assert imported.queries == expected.queries
    assert {(plan.name, tuple(sorted(edges(plan)))) for plan in imported.plans} == {
        (plan.name, tuple(sorted(edges(plan)))) for plan in expected.plans
    }


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([task("j", "M1", 20, 10)], {}, "1 of 1 tasks end before they start"),
        ([task("j", "M1", 20, 10)], {"trust_units": True}, "1 with tasks that end before they st"),
        (
            [task("j", "M1", 1, 10**7)],
            {},
            "ends 10,000,000 s after the start of the log, which has",
        ),
        ([task("j", "M1", 1, 10**7)], {"trust_units": True}, "job 'j': work_order_us is 99999990"),
        ([task("j", "M1", 1, 2, instance_num=10**9)], {}, "job 'j': num_work_orders is 10000000"),
        ([task("j", "M1_1", 1, 2)], {}, "no job to import: 1 with tasks that wait"),
        ([task("j", "M1", 0, 0)], {}, "no job to import: 1 with tasks beyond the ends of the log"),
        ([task("j", "M1", 5, 6)], {"start_s": 7}, "no job to import: 1 outside the window"),
        (
            [task("j", "M1", 5, 6, status="x", instance_num="y")],
            {},
            "instance_num is 'y', expected",
        ),
        ([task("j", "M1", 5, 6)], {"start_s": -1.0}, "start_s is -1.0, expected 0 to"),
        ([task("j", "M1", 5, 6)], {"hours": 0.0}, "hours is 0.0, expected more than 0"),
        ([task("j", "M1", 5, 6)], {"max_queries": 0}, "max_queries is 0, expected at least 1"),
        ([{"a": 1, "b": 2}], {}, "line 1 has 2 columns, expected 9: task_name, "),
    ],
)
def test_what_cannot_be_imported(
    tmp_path: Path, rows: list[dict[str, Any]], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TraceError) as caught:
        read_rows(tmp_path, rows, **options)
    assert message in str(caught.value)


def test_a_few_tasks_that_end_before_they_start_are_left_out(tmp_path: Path) -> None:
    rows = [*many_jobs(60), task("j_x", "M1", 20, 10)]
    assert len(rows) > 100
    imported = read_rows(tmp_path, rows)
    assert imported.num_queries == 60
    assert imported.source["left out"] == "1 with tasks that end before they start"


def test_mutated_files_end_in_a_trace_or_an_error(tmp_path: Path) -> None:
    def read_file(path: Path) -> TraceStream:
        return import_alibaba([path])

    rows = ROWS + LEFT_OUT
    content = write_csv(tmp_path / "a.csv", rows, has_header=False).read_bytes()
    assert check_fuzzed(read_file, content, tmp_path, "fuzzed.csv", 100) > 20
    content = write_parquet(tmp_path / "a.parquet", rows, TYPES).read_bytes()
    check_fuzzed(read_file, content, tmp_path, "fuzzed.parquet", 50)


def test_the_command_writes_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write_csv(tmp_path / "it's; batch_task.csv", many_jobs(50), has_header=False)
    out = tmp_path / "out.jsonl.gz"
    assert main(["import", "alibaba", str(table), "--out", str(out), "--max-queries", "20"]) == 0
    assert len(read(out).queries) == 20
    shown = " ".join(capsys.readouterr().out.split())
    assert "20 plans, 20 queries" in shown
    assert "left out: 30 after the first 20" in shown
    assert main(["import", "alibaba", str(table), "--out", str(tmp_path / "no" / "x")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
