"""Importing the Cloud Analytics Benchmark: its own samples, and small files made here."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import check_fuzzed
from table_files import write_csv

import sim
from lsched.cli import main
from traces import Trace, TraceError, TraceStream, load, read
from traces.importers.cab import import_cab

pytest.importorskip("duckdb", reason="DuckDB is not installed (extra 'import')")

SAMPLES = Path(__file__).parents[2] / "shared" / "data" / "cab"
STREAM_FILE = SAMPLES / "query_stream_11.json"
RUN_FILES = {
    "individual": SAMPLES / "snowflake_individual_1h_38s_4tb.all.csv",
    "shared": SAMPLES / "snowflake_shared_1h_2s_1tb.all.csv",
}
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not there")
STREAM: dict[str, Any] = {
    "database_id": 3,
    "scale_factor": 20,
    "query_count": 4,
    "queries": [
        {"query_id": 6, "start": 1500, "arguments": ["1996-01-01", 5, 24]},
        {"query_id": 23, "start": 2000.5, "arguments": [0, 32, 0, 7]},
        {"query_id": 1, "start": 700, "arguments": [90]},
        {"query_id": 22, "start": 3_500_000, "arguments": []},
    ],
}
STREAM_BYTES = json.dumps(STREAM, indent=2).encode()
START_MS = 1_649_950_699_700


def measured(number: int, **changes: object) -> dict[str, Any]:
    """A row of a measured run, with the spaces that its header has."""
    duration = 500 + 137 * (number % 23) + number
    row: dict[str, Any] = {
        "type": "snowflake-i",
        "runtime": 3600,
        "warehouse_size": 38,
        "query_stream_id": number % 4,
        " query_id": number % 23 + 1,
        " start": START_MS + 9_000 * number + number % 3,
        " relative_start": 9_000 * number + number % 3,
        " query_duration": duration,
        " query_duration_with_queue": duration + number % 3 + (400 if number % 7 == 0 else 0),
        " start_delay": number % 3,
    }
    assert changes.keys() <= row.keys()
    return row | changes


RUN = [measured(number) for number in range(200)]


def read_run_rows(tmp_path: Path, rows: list[dict[str, Any]], **options: Any) -> TraceStream:
    return import_cab([write_csv(tmp_path / "run.csv", rows)], **options)


def write_stream(path: Path, **changes: object) -> Path:
    path.write_text(json.dumps({**STREAM, **changes}))
    return path


def work_us(imported: Trace) -> list[float]:
    plans = imported.plans_by_name()
    return [
        plans[query.plan].work_at(query.size_factor) * query.time_factor
        for query in imported.queries
    ]


@needs_samples
def test_the_sample_stream_is_imported_whole() -> None:
    given = json.loads(STREAM_FILE.read_bytes())
    imported = import_cab([STREAM_FILE]).load()
    assert len(imported.queries) == len(given["queries"]) == given["query_count"] == 103
    assert [query.arrival_us for query in imported.queries] == [
        1000 * query["start"] for query in given["queries"]
    ]
    numbers = [query["query_id"] for query in given["queries"]]
    assert [query.template for query in imported.queries] == [f"11/{number}" for number in numbers]
    assert [query.plan for query in imported.queries] == [
        f"q{18 if number == 23 else number}" for number in numbers
    ]
    assert {query.size_factor for query in imported.queries} == {float(given["scale_factor"])}
    updates = [query for query in imported.queries if query.query_class == "update"]
    assert len(updates) == Counter(numbers)[23] == 9
    assert all(query.plan_choice for query in updates)
    assert imported.source["updates"] == "9, each as a q18"
    # The stream aims at 188 s of CPU time on Snowflake; with at least a query in each of a hundred
    # slots it is more than that, and DuckDB needs less of it.
    assert 1 < sum(work_us(imported)) / given["cpu_time"] < 5


@needs_samples
@pytest.mark.parametrize("name", RUN_FILES)
def test_the_sample_runs_are_imported_whole(name: str) -> None:
    with RUN_FILES[name].open(newline="") as file:
        rows = [{key.strip(): value for key, value in row.items()} for row in csv.DictReader(file)]
    numbers = {key: [int(row[key]) for row in rows] for key in rows[0] if key != "type"}
    imported = import_cab([RUN_FILES[name]]).load()
    assert len(imported.queries) == len(rows) == {"individual": 7516, "shared": 5508}[name]
    arrivals = np.subtract(numbers["relative_start"], numbers["start_delay"])
    order = np.argsort(arrivals, kind="stable")
    assert [query.arrival_us for query in imported.queries] == (1000 * arrivals[order]).tolist()
    for key, found in (
        ("query_stream_id", [int(query.tenant) for query in imported.queries]),
        ("query_id", [int(query.template.split("/")[1]) for query in imported.queries]),
        (
            "query_duration_with_queue",
            [(query.recorded_latency_us or 0) // 1000 for query in imported.queries],
        ),
    ):
        assert found == np.array(numbers[key])[order].tolist()
    factor = float(imported.source["work"].split(" s per")[0])
    ends = np.add(arrivals, numbers["query_duration_with_queue"])
    cores = 8 * numbers["warehouse_size"][0]
    share = cores * (ends.max() - arrivals.min()) / sum(numbers["query_duration"])
    assert factor == pytest.approx(min(8, share), rel=2e-3)
    assert (name == "individual") == (factor == 8)
    expected = 1e3 * min(8, share) * np.array(numbers["query_duration"])[order]
    np.testing.assert_allclose(work_us(imported), expected, rtol=1e-6)
    assert sum(work_us(imported)) == pytest.approx(expected.sum(), rel=1e-6)
    assert imported.source["left out"].startswith("0 ")


@needs_samples
def test_a_run_arrives_as_its_stream_says() -> None:
    stream = import_cab([STREAM_FILE]).load()
    run = import_cab([RUN_FILES["shared"]], streams=["11"]).load()
    assert [(query.arrival_us, query.template) for query in run.queries] == [
        (query.arrival_us, query.template) for query in stream.queries
    ]


@needs_samples
@pytest.mark.parametrize("path", [STREAM_FILE, RUN_FILES["shared"]])
def test_samples_replay(path: Path) -> None:
    imported = import_cab([path], streams=["11"], max_queries=30).load()
    for scheduler in ("fifo", "fair"):
        result = sim.simulate(imported, scheduler, cluster=sim.preset("warehouse-4x16"))
        assert len(result.queries) == 30


def test_streams_are_merged_in_order_and_sized_by_scale_factor(tmp_path: Path) -> None:
    paths = [
        write_stream(tmp_path / "it's [3].json"),
        write_stream(tmp_path / "5.json", database_id=5, scale_factor=0.5),
    ]
    imported = import_cab(paths).load()
    assert [(query.tenant, query.plan, query.arrival_us) for query in imported.queries] == [
        (tenant, plan, arrival)
        for plan, arrival in (
            ("q1", 700_000), ("q6", 1_500_000), ("q18", 2_000_500), ("q22", 3_500_000_000)
        )
        for tenant in ("3", "5")
    ]  # fmt: skip
    assert {(query.tenant, query.size_factor) for query in imported.queries} == {
        ("3", 20.0),
        ("5", 0.5),
    }
    assert [query.time_factor for query in imported.queries] == [1, 1, 1, 1, 0.83, 0.83, 1, 1]
    assert [query.query_class for query in imported.queries[3:5]] == ["select", "update"]
    assert imported.source["streams"] == "2"


def test_plans_captured_at_another_scale_change_the_sizes(tmp_path: Path) -> None:
    tpch = load("tpch")
    path = write_stream(tmp_path / "3.json")

    def plans(**source: str) -> Trace:
        return Trace(name="mine", plans=tpch.plans, queries=tpch.queries, source=source)

    imported = import_cab([path], plans=plans(scale_factor="10")).load()
    assert {query.size_factor for query in imported.queries} == {2.0}
    for source in ({}, {"scale_factor": "0"}, {"scale_factor": "nan"}, {"scale_factor": "big"}):
        with pytest.raises(TraceError, match="'mine' does not say the scale factor of its plans"):
            import_cab([path], plans=plans(**source))
    with pytest.raises(TraceError, match="trace 'tpcds' has other plans than CAB needs"):
        import_cab([path], plans=load("tpcds"))


def test_a_run_gives_work_by_duration_and_sizes_by_stream(tmp_path: Path) -> None:
    imported = read_run_rows(tmp_path, RUN).load()
    expected = [8000.0 * row[" query_duration"] for row in RUN]
    np.testing.assert_allclose(work_us(imported), expected, rtol=1e-6)
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=START_MS)
    assert imported.source["start"] == start.isoformat()
    tpch = load("tpch")
    ratios: dict[str, list[float]] = {}
    for row, query in zip(RUN, imported.queries, strict=True):
        assert query.arrival_us == 1000 * (row[" relative_start"] - row[" start_delay"])
        assert query.recorded_latency_us == 1000 * row[" query_duration_with_queue"]
        ratios.setdefault(query.tenant, []).append(
            8000 * row[" query_duration"] / tpch.plan(query.plan).work_us
        )
    for query in imported.queries:
        if 0.3 < query.time_factor < 3.7:  # else it is moved
            size = float(np.median(ratios[query.tenant]))
            assert query.size_factor == pytest.approx(size, rel=1e-3)


def test_work_is_bounded_by_what_the_warehouse_can_do(tmp_path: Path) -> None:
    rows = [row | {"warehouse_size": 1, " query_duration": 500_000,
                   " query_duration_with_queue": 900_000} for row in RUN]  # fmt: skip
    imported = read_run_rows(tmp_path, rows, streams=["2"]).load()
    span_ms = 9_000 * 199 + 900_000
    factor = 8 * span_ms / (200 * 500_000)  # over all streams, whichever are imported
    assert factor < 1
    np.testing.assert_allclose(work_us(imported), 500e6 * factor, rtol=1e-6)
    assert imported.source["work"] == f"{factor:.3g} s per second of query_duration, on 8 cores"
    imported = read_run_rows(tmp_path, rows, parallelism=2.5).load()
    np.testing.assert_allclose(work_us(imported), 500e6 * 2.5, rtol=1e-6)


def test_rows_without_times_are_left_out_and_counted(tmp_path: Path) -> None:
    odd = [measured(5, **{" query_duration": None}), measured(6, **{" query_duration": 0}),
           measured(7, **{" start_delay": -1})]  # fmt: skip
    imported = read_run_rows(tmp_path, RUN + odd)
    assert imported.num_queries == 200
    assert imported.source["queries"] == "200, 200 of them imported"
    assert imported.source["left out"] == "3 rows without a time or with an impossible one"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {" query_duration": 9_000_000},
            "rows with negative times or a query_duration longer than",
        ),
        ({" start_delay": -1}, "query_duration_with_queue: 200 of 200 (--trust-units"),
        (
            {"runtime": 3},
            "relative_start is up to 1791001 ms, runtime 3 s; are they in those units",
        ),
        ({" start": 5_000}, "a query arrives -1786 s after 1970, expected a time between 1990"),
        ({" query_id": 24}, "query_id is 24, expected 1 to 23"),
        ({" query_duration": "1 s"}, "row 1: query_duration is '1 s', expected a whole number"),
        ({" query_duration": None}, "no query to import, of 200 rows"),
    ],
)
def test_runs_that_cannot_be_imported(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceError) as caught:
        read_run_rows(tmp_path, [row | change for row in RUN])
    assert message in str(caught.value)
    assert "run.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"database_id": 3', "not a query stream (Input data was truncated)"),
        (b'{"database_id": 3}', "not a query stream (Object missing required field"),
        (b'{"database_id": "3"}', "not a query stream (Expected `int`, got `str`"),
        (STREAM_BYTES.replace(b"22", b"24"), "queries[3]: query_id is 24, expected 1 to 23"),
        (STREAM_BYTES.replace(b" 700", b" -7"), "queries[2]: start is -7.0, expected ms from 0"),
        (STREAM_BYTES.replace(b"3500000", b"9e9"), "queries[3]: start is 9000000000.0, expected"),
        (STREAM_BYTES.replace(b": 20,", b": 0,"), "size_factor is 0.0, expected 1e-06 to 1e+06"),
        (b'{"database_id": 3, "scale_factor": 1, "queries": []}', "an empty trace"),
    ],
)  # fmt: skip
def test_streams_that_cannot_be_imported(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "stream.json"
    path.write_bytes(content)
    with pytest.raises(TraceError) as caught:
        import_cab([path])
    assert message in str(caught.value)


def test_selections_and_mixtures_that_make_no_sense(tmp_path: Path) -> None:
    stream, run = write_stream(tmp_path / "3.json"), write_csv(tmp_path / "run.csv", RUN)
    again = write_stream(tmp_path / "again.json")
    for paths, options, message in (
        ([stream, run], {}, r"expected query streams \(JSON\), or one measured run \(CSV\)"),
        ([run, run], {}, r"expected query streams \(JSON\), or one measured run \(CSV\)"),
        ([], {}, "expected query streams"),
        ([stream, again], {}, "again.json: stream 3 is also in .*3.json"),
        ([run], {"streams": ["3", "9"]}, "no stream 9 among 0, 1, 2, 3"),
        ([run], {"max_queries": 0}, "max_queries is 0, expected at least 1"),
        ([run], {"parallelism": -1.0}, "parallelism is -1.0, expected more than 0"),
        ([tmp_path / "none.json"], {}, "none.json: no such file"),
    ):
        with pytest.raises(TraceError, match=message):
            import_cab(paths, **options)  # type: ignore[arg-type]


def test_mutated_files_end_in_a_trace_or_an_error(tmp_path: Path) -> None:
    tpch = load("tpch")

    def read_file(path: Path) -> TraceStream:
        return import_cab([path], plans=tpch)

    assert check_fuzzed(read_file, STREAM_BYTES, tmp_path, "fuzzed.json", 300) > 5
    content = write_csv(tmp_path / "a.csv", RUN[:12]).read_bytes()
    assert check_fuzzed(read_file, content, tmp_path, "fuzzed.csv", 80) > 5


def test_the_command_writes_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream, out = write_stream(tmp_path / "a'); DROP TABLE x; --.json"), tmp_path / "out.jsonl"
    assert main(["import", "cab", str(stream), "--out", str(out)]) == 0
    assert "22 plans, 4 queries" in capsys.readouterr().out
    assert [query.template for query in read(out).queries] == ["3/1", "3/6", "3/23", "3/22"]
    run = write_csv(tmp_path / "a run.csv", RUN)
    options = ["--out", str(out), "--streams", "0,3", "--max-queries", "9"]
    assert main(["import", "cab", str(run), *options]) == 0
    assert {query.tenant for query in read(out).queries} == {"0", "3"}
    assert main(["import", "cab", str(run), "--out", str(run)]) == 2
    assert "is both read and written" in capsys.readouterr().err
