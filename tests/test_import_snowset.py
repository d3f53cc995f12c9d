"""Importing Snowset: files made here that follow its schema."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import op, plan, trace
from fuzzing import check_fuzzed
from table_files import write_csv, write_parquet

import sim
from lsched.cli import main
from traces import Trace, TraceError, TraceStream, read
from traces.importers.fleet import Selection
from traces.importers.snowset import import_snowset

pytest.importorskip("duckdb", reason="DuckDB is not installed (extra 'import')")

START = datetime(2018, 3, 2, 14, 44, 2, 768_000, tzinfo=UTC)
BIGINTS = (
    "queryId", "warehouseId", "durationTotal", "durationExec", "durationControlPlane",
    "durationCompiling", "persistentReadBytesS3", "persistentReadBytesCache",
    "persistentWriteBytesS3", "scanBytes", "userCpuTime", "systemCpuTime", "profScanRso",
    "profSortRso", "profHjRso", "profAggRso",
)  # fmt: skip
TYPES = {
    **dict.fromkeys(BIGINTS, "BIGINT"),
    **dict.fromkeys(("serverCount", "warehouseSize", "perServerCores"), "INTEGER"),
    **dict.fromkeys(("createdTime", "endTime"), "TIMESTAMPTZ"),
}
PLANS = trace(
    plan(op(20_000, kind="scan", count=50), op(900, kind="aggregate"), name="scan"),
    plan(op(20_000, kind="scan", count=50), op(900, kind="sort"), name="sorted"),
    plan(
        op(20_000, kind="scan", count=60),
        op(15_000, kind="probe", count=50),
        op(15_000, kind="probe", count=50),
        op(9_000, kind="aggregate", count=4),
        edges="0-1 1-2 2-3",
        name="joins",
    ),
)


def query(number: int, **changes: object) -> dict[str, Any]:
    """A row of Snowset."""
    created = START + timedelta(seconds=47 * number)
    exec_ms = 400 * (number % 9 + 1)
    total_ms = exec_ms + 150 + number
    row: dict[str, Any] = {
        "queryId": 2**62 - number,
        "warehouseId": 6_000_000_000_000_000_000 + number % 3,
        "databaseId": None if number % 4 else "17",
        "createdTime": f"{created:%Y-%m-%d %H:%M:%S.%f}+00:00",
        "endTime": f"{created + timedelta(milliseconds=total_ms):%Y-%m-%d %H:%M:%S.%f}+00:00",
        "durationTotal": total_ms,
        "durationExec": exec_ms,
        "durationControlPlane": 100,
        "durationCompiling": 50,
        "serverCount": 2,
        "warehouseSize": 2,
        "perServerCores": 8,
        "persistentReadBytesS3": 1_000_000 if number % 2 else 0,
        "persistentReadBytesCache": 500 if number % 5 == 0 else 0,
        "persistentWriteBytesS3": 7_000 if number % 3 == 0 else 0,
        "scanBytes": 40_000_000 * (number % 7),
        "userCpuTime": 3_000 * exec_ms + number,
        "systemCpuTime": 200 * exec_ms,
        "profScanRso": 50,
        "profSortRso": 30 if number % 5 == 1 else 0,
        "profHjRso": 90 if number % 2 else 0,
        "profAggRso": 20 if number % 5 != 1 else None,
    }
    assert changes.keys() <= row.keys()
    return row | changes


ROWS = [query(number) for number in range(150)]
LEFT_OUT = [
    query(3, userCpuTime=0, systemCpuTime=None, durationExec=0),
    query(4, durationTotal=None, endTime=None),
]
NO_CPU = [
    query(150, userCpuTime=None, systemCpuTime=None),
    query(151, userCpuTime=0, systemCpuTime=0),
]


def read_rows(tmp_path: Path, rows: list[dict[str, Any]], **options: Any) -> TraceStream:
    path = write_csv(tmp_path / "rows.csv", rows, null="\\N")
    return import_snowset([path], **{"plans": PLANS, **options})


def work_us(imported: Trace) -> list[float]:
    plans = imported.plans_by_name()
    return [
        plans[query.plan].work_at(query.size_factor) * query.time_factor
        for query in imported.queries
    ]


def query_class(row: dict[str, Any]) -> str:
    reads = row["persistentReadBytesS3"] + row["persistentReadBytesCache"] > 0
    writes = row["persistentWriteBytesS3"] > 0
    names = {(True, True): "read-write", (True, False): "read-only", (False, True): "write-only"}
    return names.get((reads, writes), "other")


def test_every_row_becomes_a_query_with_its_time_and_cpu_time(tmp_path: Path) -> None:
    shuffled = [ROWS[index] for index in np.random.default_rng(0).permutation(len(ROWS))]
    imported = read_rows(tmp_path, [*LEFT_OUT, *shuffled, *NO_CPU], parallelism=5).load()
    rows = ROWS + NO_CPU
    assert len(imported.queries) == len(rows)
    midnight = datetime(2018, 3, 2, tzinfo=UTC)
    for number, (row, each) in enumerate(zip(rows, imported.queries, strict=True)):
        arrival = datetime.fromisoformat(row["createdTime"])
        assert each.query_id == number
        assert timedelta(microseconds=each.arrival_us) == arrival - midnight
        assert each.tenant == str(row["warehouseId"])
        assert each.query_class == query_class(row)
        assert each.template == ""
        assert each.recorded_latency_us == 1000 * row["durationTotal"]
    assert {each.query_class for each in imported.queries} == {
        "read-write", "read-only", "write-only", "other"
    }  # fmt: skip
    expected = [float(row["userCpuTime"] + row["systemCpuTime"]) for row in ROWS]
    expected += [5000.0 * row["durationExec"] for row in NO_CPU]
    np.testing.assert_allclose(work_us(imported), expected, rtol=1e-6)
    assert sum(work_us(imported)) == pytest.approx(sum(expected), rel=1e-6)
    source = imported.source
    assert source["start"] == "2018-03-02T00:00:00+00:00"
    assert source["rows"] == "154, 152 of them imported"
    assert source["left out"] == "1 without a duration, 1 without execution time"
    assert source["work"] == (
        f"{sum(expected) / 1e6:,.0f} s of CPU time; of 2 queries without it, 5 s per second of "
        "execution"
    )


def test_plans_are_chosen_by_whether_there_are_joins_aggregations_and_sorts(tmp_path: Path) -> None:
    changes = {"scanBytes": 200_000_000, "userCpuTime": 1_000_000, "systemCpuTime": 0}
    none = {"profHjRso": 0, "profAggRso": 0, "profSortRso": None}
    rows = [
        query(0, **changes, **{**none, "profAggRso": 5}),
        query(1, **changes, **{**none, "profSortRso": 5}),
        query(2, **changes, **{**none, "profAggRso": 9, "profHjRso": 1}),
        query(3, **{**changes, "scanBytes": None}, **none),
    ]
    imported = read_rows(tmp_path, rows).load()
    assert [each.plan for each in imported.queries[:3]] == ["scan", "sorted", "joins"]
    assert [each.plan_choice.partition(": ")[2] for each in imported.queries] == [
        "aggregations, 200 MB, 1 s",
        "sorts, 200 MB, 1 s",
        "joins, aggregations, 200 MB, 1 s",
        "no joins, 1 s",
    ]


def test_parquet_gives_the_same_queries_as_csv(tmp_path: Path) -> None:
    expected = read_rows(tmp_path, ROWS + LEFT_OUT).load()
    path = write_parquet(tmp_path / "we ird [x]*.parquet", ROWS + LEFT_OUT, TYPES)
    imported = import_snowset([path], plans=PLANS).load()
    assert imported.queries == expected.queries
    assert imported.source["left out"] == expected.source["left out"]


def test_all_shipped_plans_stand_in_and_replay(tmp_path: Path) -> None:
    imported = read_rows(tmp_path, ROWS[:40], plans=None).load()
    assert len(imported.plans) == 22 + 13 + 99
    assert len({each.plan for each in imported.queries}) > 3
    for scheduler in ("fifo", "fair"):
        result = sim.simulate(imported, scheduler, cluster=sim.preset("inmemory-32"))
        assert len(result.queries) == 40


def test_a_selection_of_warehouses_and_hours(tmp_path: Path) -> None:
    tenant = str(ROWS[1]["warehouseId"])
    selection = Selection(tenants=(tenant,), start="2018-03-02T15:00", hours=0.5)
    imported = read_rows(tmp_path, ROWS, selection=selection).load()
    expected = [
        row for row in ROWS[1::3] if "2018-03-02 15:00" <= row["createdTime"] < "2018-03-02 15:30"
    ]
    assert len(imported.queries) == len(expected) > 10
    assert {each.tenant for each in imported.queries} == {tenant}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: {"durationTotal": row["durationTotal"] * 1000}, "durations are 1e+03 times"),
        (lambda row: {"durationTotal": 1}, "times what the time stamps say; are the durations in"),
        (
            lambda row: {"userCpuTime": row["userCpuTime"] * 1000},
            "times what the cores could do; are the CPU times in microseconds?",
        ),
        (
            lambda row: {"endTime": row["createdTime"], "createdTime": row["endTime"]},
            "rows that end before they arrive: 150 of 150; are columns mixed up?",
        ),
        (lambda row: {"userCpuTime": -1}, "rows with a negative number: 150 of 150"),
        (
            lambda row: {"durationTotal": 10**9, "endTime": None},
            "the longest query takes 1,000,000 s, the arrivals span 7,003",
        ),
    ],
)
def test_wrong_units_are_caught(tmp_path: Path, change: Any, message: str) -> None:
    rows = [row | change(row) for row in ROWS]
    with pytest.raises(TraceError) as caught:
        read_rows(tmp_path, rows)
    assert message in str(caught.value)
    assert "rows.csv" in str(caught.value)
    if "150 of 150" in message:
        with pytest.raises(TraceError, match="no query to import: 150 "):
            read_rows(tmp_path, rows, trust_units=True)
    else:
        assert len(read_rows(tmp_path, rows, trust_units=True).load().queries) == 150


def test_columns_that_are_missing_or_wrong_are_named(tmp_path: Path) -> None:
    without = [{name: row[name] for name in row if name != "scanBytes"} for row in ROWS]
    with pytest.raises(TraceError, match=r"rows\.csv: no column 'scanBytes' among queryId, "):
        read_rows(tmp_path, without)
    with pytest.raises(TraceError, match=r"rows\.csv: row 2: perServerCores is 'eight', expected"):
        read_rows(tmp_path, [ROWS[0], query(1, perServerCores="eight")])


def test_mutated_files_end_in_a_trace_or_an_error(tmp_path: Path) -> None:
    def read_file(path: Path) -> TraceStream:
        return import_snowset([path], plans=PLANS)

    content = write_csv(tmp_path / "a.csv", ROWS[:12], null="\\N").read_bytes()
    assert check_fuzzed(read_file, content, tmp_path, "fuzzed.csv", 80) > 5
    content = write_parquet(tmp_path / "a.parquet", ROWS[:12], TYPES).read_bytes()
    check_fuzzed(read_file, content, tmp_path, "fuzzed.parquet", 50)


def test_the_command_writes_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write_csv(tmp_path / "a'); DROP TABLE x; --.csv", ROWS, null="\\N")
    out = tmp_path / "out.jsonl"
    tenant = str(ROWS[2]["warehouseId"])
    options = ["--out", str(out), "--plans", "ssb", "--warehouses", tenant, "--hours", "1"]
    assert main(["import", "snowset", str(table), *options]) == 0
    written = read(out)
    assert {each.tenant for each in written.queries} == {tenant}
    assert f"13 plans, {len(written.queries)} queries" in capsys.readouterr().out
    assert main(["import", "snowset", str(table), "--out", str(out), "--warehouses", "5"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "no query of warehouse 5 in that time" in line
    assert read(out) == written
