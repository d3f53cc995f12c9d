"""Importing Redset: files made here that follow its schema."""

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
from traces import Trace, TraceError, TraceStream, load, read
from traces.importers.fleet import Selection
from traces.importers.redset import import_redset

pytest.importorskip("duckdb", reason="DuckDB is not installed (extra 'import')")

START = datetime(2024, 3, 1, 6, 30, tzinfo=UTC)
TYPES = {
    **dict.fromkeys(("instance_id", "cluster_size", "user_id", "database_id"), "INTEGER"),
    **dict.fromkeys(("query_id", "cache_source_query_id", "mbytes_spilled"), "BIGINT"),
    **dict.fromkeys(("num_joins", "num_scans", "num_aggregations"), "BIGINT"),
    **dict.fromkeys(("compile_duration_ms", "queue_duration_ms"), "DOUBLE"),
    **dict.fromkeys(("execution_duration_ms", "mbytes_scanned"), "BIGINT"),
    **dict.fromkeys(("was_aborted", "was_cached"), "BOOLEAN"),
    "arrival_timestamp": "TIMESTAMP",
}
PLANS = trace(
    plan(op(20_000, kind="scan", count=50), op(900, kind="aggregate"), name="scan"),
    plan(
        op(20_000, kind="scan", count=60),
        op(15_000, kind="probe", count=50),
        op(9_000, kind="aggregate", count=4),
        edges="0-1 1-2",
        name="join",
    ),
)


def query(number: int, **changes: object) -> dict[str, Any]:
    """A row of Redset; every fifth query is of the same statement."""
    statement = number % 5
    row: dict[str, Any] = {
        "instance_id": statement % 2,
        "cluster_size": 4 if statement % 2 else None,
        "user_id": 7,
        "database_id": 3,
        "query_id": number // 3,  # not unique
        "arrival_timestamp": f"{START + timedelta(seconds=61 * number):%Y-%m-%d %H:%M:%S.%f}",
        "compile_duration_ms": None if number % 4 else 120,
        "queue_duration_ms": None if number % 2 else 30,
        "execution_duration_ms": 100 * (statement + 1) ** 3 + number,
        "feature_fingerprint": f"f{statement}",
        "was_aborted": False,
        "was_cached": False,
        "cache_source_query_id": None,
        "query_type": "select" if statement else "copy",
        "num_permanent_tables_accessed": 1,
        "num_external_tables_accessed": 0,
        "num_system_tables_accessed": 0,
        "read_table_ids": "12,13" if statement else None,
        "write_table_ids": None if statement else '5,"6"',
        "mbytes_scanned": 40 * statement**2,
        "mbytes_spilled": 0,
        "num_joins": statement,
        "num_scans": statement + 1,
        "num_aggregations": statement % 3,
    }
    assert changes.keys() <= row.keys()
    return row | changes


ROWS = [query(number) for number in range(200)]
LEFT_OUT = [
    query(3, was_cached=True),
    query(4, was_aborted=True, execution_duration_ms=-1),
    query(5, execution_duration_ms=0),
    query(6, execution_duration_ms=None),
]


def read_rows(tmp_path: Path, rows: list[dict[str, Any]], **options: Any) -> TraceStream:
    path = write_csv(tmp_path / "rows.csv", rows)
    return import_redset([path], **{"plans": PLANS, **options})


def work_us(imported: Trace) -> list[float]:
    plans = imported.plans_by_name()
    return [
        plans[query.plan].work_at(query.size_factor) * query.time_factor
        for query in imported.queries
    ]


def test_every_row_becomes_a_query_with_its_time_and_work(tmp_path: Path) -> None:
    shuffled = [ROWS[index] for index in np.random.default_rng(0).permutation(len(ROWS))]
    imported = read_rows(tmp_path, LEFT_OUT + shuffled).load()
    assert len(imported.queries) == len(ROWS)
    midnight = START.replace(hour=0, minute=0)
    for number, (row, each) in enumerate(zip(ROWS, imported.queries, strict=True)):
        arrival = datetime.fromisoformat(row["arrival_timestamp"]).replace(tzinfo=UTC)
        assert each.query_id == number
        assert timedelta(microseconds=each.arrival_us) == arrival - midnight
        assert each.tenant == str(row["instance_id"])
        assert each.query_class == row["query_type"]
        assert each.template == f"{row['instance_id']}/{row['feature_fingerprint']}"
        latency_ms = row["execution_duration_ms"] + (row["queue_duration_ms"] or 0)
        assert each.recorded_latency_us == 1000 * (latency_ms + (row["compile_duration_ms"] or 0))
    expected = [8000.0 * row["execution_duration_ms"] for row in ROWS]
    np.testing.assert_allclose(work_us(imported), expected, rtol=1e-6)
    assert sum(work_us(imported)) == pytest.approx(sum(expected), rel=1e-6)
    source = imported.source
    assert source["start"] == "2024-03-01T00:00:00+00:00"
    assert source["rows"] == "204, 200 of them imported"
    assert source["left out"] == "1 aborted, 1 cached, 2 without execution time"
    assert source["work"] == f"{sum(expected) / 1e6:,.0f} s, 8 per second of execution"


def test_all_queries_of_a_fingerprint_have_one_plan_chosen_by_what_they_have_in_common(
    tmp_path: Path,
) -> None:
    odd = [query(200 + 5 * number + 1, num_joins=0, mbytes_scanned=1) for number in range(3)]
    imported = read_rows(tmp_path, [*ROWS, *odd], parallelism=1).load()
    by_template: dict[str, set[tuple[str, str]]] = {}
    for each in imported.queries:
        by_template.setdefault(each.template, set()).add((each.plan, each.plan_choice))
    assert all(len(choices) == 1 for choices in by_template.values())
    assert {plan for choices in by_template.values() for plan, _ in choices} == {"scan", "join"}
    [(_, text)] = by_template["1/f1"]
    # Geometric means over 40 queries with a join and 3 without, of 1 + joins and of bytes.
    joins, megabytes = 2 ** (40 / 43) - 1, 40 ** (40 / 43)
    assert text.startswith(
        f"nearest of 2 plans: {joins:.3g} joins, 1 aggregation, {megabytes:.3g} MB, "
    )
    sizes = {each.size_factor for each in imported.queries if each.template == "0/f2"}
    assert sizes == {0.6667}  # its own 160 MB ÷ the 60 × 4 MB of the plan


def test_queries_without_fingerprint_are_matched_alone(tmp_path: Path) -> None:
    rows = [
        query(0, feature_fingerprint=None, num_joins=0, mbytes_scanned=200),
        query(1, feature_fingerprint=None, num_joins=9, mbytes_scanned=200),
        query(2, feature_fingerprint=None, instance_id=None, mbytes_scanned=None),
    ]
    imported = read_rows(tmp_path, rows).load()
    assert [each.template for each in imported.queries] == ["", "", ""]
    assert [each.plan for each in imported.queries][:2] == ["scan", "join"]
    assert imported.queries[2].tenant == ""
    assert "MB" not in imported.queries[2].plan_choice


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "two files"])
def test_formats_and_pieces_give_the_same_queries(tmp_path: Path, kind: str) -> None:
    expected = read_rows(tmp_path, ROWS).load()
    if kind == "csv.gz":
        import gzip

        paths = [tmp_path / "a.csv.gz"]
        paths[0].write_bytes(gzip.compress((tmp_path / "rows.csv").read_bytes()))
    elif kind == "parquet":
        paths = [write_parquet(tmp_path / "we ird [x]*.parquet", ROWS, TYPES)]
    else:
        paths = [
            write_csv(tmp_path / "a'); DROP TABLE x; --.csv", ROWS[120:]),
            write_parquet(tmp_path / "b.parquet", ROWS[:120], TYPES),
        ]
    assert import_redset(paths, plans=PLANS).load().queries == expected.queries


def test_all_shipped_plans_stand_in_and_replay(tmp_path: Path) -> None:
    imported = read_rows(tmp_path, ROWS[:40], plans=None).load()
    assert len(imported.plans) == 22 + 13 + 99
    assert {each.plan.split("-")[0] for each in imported.queries} <= {"tpch", "ssb", "tpcds"}
    assert all("nearest of 134 plans: " in each.plan_choice for each in imported.queries)
    for scheduler in ("fifo", "fair"):
        result = sim.simulate(imported, scheduler, cluster=sim.preset("inmemory-32"))
        assert len(result.queries) == 40


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(tenants=("1",)), [n for n in range(200) if n % 5 % 2]),
        (Selection(tenants=("1", "0"), max_queries=7), list(range(7))),
        (Selection(hours=1), list(range(60))),  # 61 s apart
        (Selection(start="1.5", hours=1), list(range(89, 148))),
        (Selection(start="2024-03-01T07:31"), list(range(60, 200))),
        (Selection(start="2024-03-01 08:31+01:00", max_queries=2), [60, 61]),
        (Selection(start="2024-03-01", hours=7), list(range(30))),
    ],
)
def test_a_selection_takes_what_it_says(
    tmp_path: Path, selection: Selection, expected: list[int]
) -> None:
    everything = read_rows(tmp_path, ROWS).load().queries
    imported = read_rows(tmp_path, ROWS, selection=selection).load()
    arrivals = [everything[number].arrival_us for number in expected]
    assert [each.arrival_us for each in imported.queries] == arrivals
    if selection.max_queries:
        num_rows = 200 if selection.tenants else 140
        left_out = f"{num_rows - len(expected)} after the first {len(expected)}"
        assert imported.source["left out"] == left_out


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (ROWS, {"selection": Selection(tenants=("0", "9"))}, "no query of instance 9 in that time"),
        (ROWS, {"selection": Selection(start="5")}, "no query to import: no rows"),
        (ROWS, {"selection": Selection(start="noon")}, "start is 'noon', expected a time such as"),
        (ROWS, {"selection": Selection(start="nan")}, "start is 'nan', expected a time such as"),
        (ROWS, {"parallelism": 0}, "parallelism is 0, expected more than 0"),
        (LEFT_OUT, {}, "no query to import: 1 aborted, 1 cached, 2 without execution time"),
        ([query(0, arrival_timestamp="x")], {}, "row 1: arrival_timestamp is 'x', expected a time"),
        ([query(0, was_cached="perhaps")], {}, "was_cached is 'perhaps', expected true or false"),
        (
            [query(0, arrival_timestamp="1970-01-02 00:00:00")],
            {},
            "a query arrives 86400 s after 1970, expected a time between 1990 and 2100",
        ),
    ],
)
def test_what_cannot_be_imported(
    tmp_path: Path, rows: list[dict[str, Any]], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TraceError) as caught:
        read_rows(tmp_path, rows, **options).load()
    assert message in str(caught.value)
    assert "rows.csv" in str(caught.value) or "parallelism" in message or "start is" in message


@pytest.mark.parametrize(
    ("changes", "count", "message", "left_out"),
    [
        (
            {"execution_duration_ms": -5},
            3,
            "rows with a negative number: 3 of 200; are columns mixed up?",
            "3 with a negative number",
        ),
        (
            {"arrival_timestamp": None},
            3,
            "rows without a time: 3 of 200; are columns mixed up?",
            "3 without a time",
        ),
        (
            {"execution_duration_ms": 90_000_000},
            1,
            "the longest query takes 90,000 s, the arrivals span 12,1",
            "none",
        ),
    ],
)
def test_wrong_units_are_caught_unless_they_are_trusted(
    tmp_path: Path, changes: dict[str, Any], count: int, message: str, left_out: str
) -> None:
    wrong = [row | changes for row in ROWS[50 : 50 + count]]
    rows = ROWS[:50] + wrong + ROWS[50 + count :]
    with pytest.raises(TraceError) as caught:
        read_rows(tmp_path, rows)
    assert message in str(caught.value)
    assert "--trust-units" in str(caught.value)
    imported = read_rows(tmp_path, rows, trust_units=True).load()
    assert imported.source["left out"] == left_out
    if count > 1:  # a few impossible rows are only left out
        few = read_rows(tmp_path, [*ROWS, *ROWS, wrong[0]]).load()
        assert few.source["left out"] == left_out.replace("3", "1", 1)


def test_work_beyond_what_any_plan_can_do_is_an_error(tmp_path: Path) -> None:
    rows = [query(0, execution_duration_ms=10**18)]
    with pytest.raises(
        TraceError, match=r"rows\.csv: plan '.*' cannot stand for a query of 8e\+15"
    ):
        read_rows(tmp_path, rows, trust_units=True).load()


def test_mutated_files_end_in_a_trace_or_an_error(tmp_path: Path) -> None:
    def read_file(path: Path) -> TraceStream:
        return import_redset([path], plans=PLANS)

    content = write_csv(tmp_path / "a.csv", ROWS[:12]).read_bytes()
    assert check_fuzzed(read_file, content, tmp_path, "fuzzed.csv", 100) > 5
    content = write_parquet(tmp_path / "a.parquet", ROWS[:12], TYPES).read_bytes()
    check_fuzzed(read_file, content, tmp_path, "fuzzed.parquet", 60)


def test_the_command_writes_a_trace_and_says_what_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_csv(tmp_path / "it's [my] log.csv", LEFT_OUT + ROWS)
    out = tmp_path / "a trace.jsonl.gz"
    command = ["import", "redset", str(table), "--out", str(out), "--plans", "tpch"]
    assert main([*command, "--instances", "1, 0", "--max-queries", "50"]) == 0
    written = read(out)
    assert len(written.queries) == 50
    assert written.plans == load("tpch").plans
    shown = " ".join(capsys.readouterr().out.split())
    assert f"{out}: 22 plans, 50 queries" in shown
    assert "left out: 1 aborted, 1 cached, 2 without execution time, 150 after the first" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["LOG", "--out", "LOG"], "is both read and written"),
        (["--out", "OUT"], "no file given"),
        (["LOG", "--out", "OUT", "--instances", " ,"], "names nothing; expected a list such as"),
        (["LOG", "--out", "OUT", "--hours", "0"], "hours is 0.0, expected more than 0"),
        (["LOG", "--out", "OUT", "--max-queries", "0"], "max_queries is 0, expected at least 1"),
        (["LOG", "--out", "OUT", "--plans", "tpcx"], "no trace 'tpcx'"),
        (["NONE", "--out", "OUT"], "none.csv: no such file"),
    ],
)
def test_mistakes_are_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    table, out = write_csv(tmp_path / "log.csv", ROWS), tmp_path / "out.jsonl"
    names = {"LOG": str(table), "OUT": str(out), "NONE": str(tmp_path / "none.csv")}
    before = table.read_bytes()
    assert main(["import", "redset", *(names.get(word, word) for word in arguments)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert table.read_bytes() == before
    assert not out.exists()
