"""Traces longer than memory: queries come one at a time, records go out one at a time."""

from __future__ import annotations

import csv
import dataclasses
import gc
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import op, plan, trace

import sim
import traces
from lsched.cli import main
from lsched.commands import console
from lsched.commands import simulate as commands_simulate
from lsched.commands.console import ProgressLines
from sim import QueryRecord
from traces import Query, TraceStream, poisson_arrivals

pytestmark = pytest.mark.usefixtures("engine")

SMALL = plan(op(3, 4, 5), op(2), edges="0>1")
CLUSTER = sim.Cluster(executors_per_node=2, move_delay_us=1, memory_bytes=10**9)


def steady_stream(num_queries: int) -> TraceStream:
    """A query of two operators every 20 µs, on two executors at a load of 0.35."""

    def queries() -> Iterator[Query]:
        for index in range(num_queries):
            yield Query(query_id=index, plan=SMALL.name, arrival_us=20 * index)

    return TraceStream("steady", (SMALL,), num_queries, queries())


def test_memory_grows_by_eight_bytes_a_query() -> None:
    used: list[int] = []

    def note(record: QueryRecord) -> None:
        if record.query_id % 1_500 == 1_499:
            gc.collect()
            used.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        sim.simulate(
            steady_stream(4_500), "fair", cluster=CLUSTER, on_record=note, keep_records=False
        )
    finally:
        tracemalloc.stop()
    # Arrays grow by a part of their length at a time, so half as much again is allowed.
    assert used[2] - used[1] < 1_500 * 8 * 1.5


def test_a_stream_gives_what_the_trace_gives() -> None:
    whole = steady_stream(300).load()
    seen: list[QueryRecord] = []
    streamed = sim.simulate(
        steady_stream(300), "fair", seed=3, on_record=seen.append, keep_records=False
    )
    kept = sim.simulate(whole, "fair", seed=3)
    assert seen == kept.queries
    timed = {"mean_schedule_us", "wall_s"}
    for key, value in kept.summary().items():
        assert key in timed or streamed.summary()[key] == value


def test_simulate_streams_the_same_rows_and_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands_simulate, "MAX_LOADED", 100)
    drawn = poisson_arrivals(trace(SMALL), 400, seed=0, interval_us=15)
    path = tmp_path / "drawn.jsonl.gz"
    traces.write(drawn, path)
    rows, figures = tmp_path / "rows.csv", tmp_path / "figures.json"
    given = ["simulate", str(path), "--csv", str(rows), "--json", str(figures)]
    assert main([*given, "--cluster", "inmemory-32:executors_per_node=2"]) == 0
    cluster = sim.preset("inmemory-32").replace(executors_per_node=2)
    expected = sim.simulate(drawn, "fair", cluster=cluster)
    with rows.open() as file:
        found = list(csv.DictReader(file))
    assert [
        {key: str(value) for key, value in dataclasses.asdict(record).items()}
        for record in expected.queries
    ] == found
    assert json.loads(figures.read_text())["mean_latency_s"] == pytest.approx(
        expected.summary()["mean_latency_s"]
    )


def test_what_is_wrong_late_in_a_trace_leaves_no_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands_simulate, "MAX_LOADED", 100)
    path, rows = tmp_path / "cut.jsonl", tmp_path / "rows.csv"
    traces.write(steady_stream(300), path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-5]))
    assert main(["simulate", str(path), "--csv", str(rows)]) == 2
    message = capsys.readouterr().err
    assert "is it truncated?" in message
    assert "scheduler 'fair'" in message
    assert not rows.exists()


def test_lines_say_how_far_it_is_and_how_long_at_the_recent_speed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    show = ProgressLines("simulating")

    def at(now_s: float, done: int) -> str:
        clock[0] = now_s
        show(done, 1_000)
        return capsys.readouterr().err

    assert at(3, 10) == ""  # whatever ends soon says nothing; speed counts from here
    assert at(30, 100) == "simulating: 100 of 1,000 (10 %), about 4.5 min left\n"
    assert at(31, 110) == ""
    for minute in range(1, 10):
        at(30 + 30 * minute, 100 + minute)  # much slower from then on
    # The last ten lines span 270 s and 9 queries.
    assert at(330, 110).endswith("(11 %), about 7.42 h left\n")
    assert at(360, 1_000) == ""  # nothing is left
