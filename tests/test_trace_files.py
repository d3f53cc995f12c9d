"""Trace files: what is written is read again, what is damaged is refused with its place."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import op, plan, trace
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from strategies import traces as random_traces

import traces
from traces import Query, Trace, TraceError, TraceStream, Wave, batch_arrivals, poisson_arrivals
from traces.model import QueryCheck

EXAMPLE = Trace(
    name="example",
    plans=(
        plan(
            op(3, 9, kind="scan", name="lineitem", est_work_order_us=5, output_bytes=77),
            op(4, kind="sort", state_bytes=10, is_scalable=False, contention=0.25),
            edges="0>1",
            name="first",
        ),
        plan(op(5, waves=(Wave(num_executors=2, fresh=(1, 4), rest=(3,)),)), name="second"),
    ),
    queries=trace(plan(op(1), name="first"), (plan(op(1), name="second"), 40)).queries,
    description="two plans",
    source={"engine": "none", "é": "ü"},
)


def write(path: Path, the_trace: Trace = EXAMPLE) -> Path:
    traces.write(the_trace, path)
    return path


# Round trips


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_trace_is_read_as_it_was_written_and_written_again_as_the_same_bytes(
    tmp_path: Path, name: str
) -> None:
    path = write(tmp_path / name)
    assert traces.read(path) == traces.load(path) == EXAMPLE
    again = write(tmp_path / f"again-{name}", traces.read(path))
    assert again.read_bytes() == path.read_bytes()
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")


def test_a_stream_is_written_as_the_trace_is_and_checked_as_it_comes(tmp_path: Path) -> None:
    def stream(count: int, *queries: Query) -> TraceStream:
        rest = (EXAMPLE.name, EXAMPLE.plans, count, queries, EXAMPLE.description, EXAMPLE.source)
        return TraceStream(*rest)

    first, second = EXAMPLE.queries
    assert stream(2, first, second).load() == EXAMPLE
    path = tmp_path / "a.jsonl"
    traces.write(stream(2, first, second), path)
    assert path.read_bytes() == write(tmp_path / "b.jsonl").read_bytes()
    wrong = [
        (stream(3, first, second), "2 queries came, 3 were promised"),
        (stream(2, second, first), "query 0: arrival_us: 0 is before"),
        (stream(2, first, first), "query 0: query_id: 0 is there twice"),
    ]
    for each, message in wrong:
        with pytest.raises(TraceError, match=message):
            traces.write(each, path)
    assert traces.read(path) == EXAMPLE, "what was there stays"
    assert list(tmp_path.glob(".lsched*")) == []
    with pytest.raises(TraceError, match="no plan or no query"):
        stream(0)


def test_compressed_or_not_is_seen_from_the_content(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.gz")
    assert traces.read(path.rename(tmp_path / "b.jsonl")) == EXAMPLE


@settings(max_examples=50)
@given(random_traces())
def test_every_valid_trace_survives_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, the_trace: Trace
) -> None:
    path = write(tmp_path_factory.mktemp("round") / "a.jsonl", the_trace)
    assert traces.read(path) == the_trace


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert traces.read(path) == EXAMPLE


def test_an_error_inside_a_plan_names_the_plan(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"num_executors":2', b'"num_executors":0'))
    with pytest.raises(TraceError, match=r":3: num_executors is 0.*\(plan 'second'\)"):
        traces.read(path)


def test_empty_lines_are_skipped_and_still_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl")
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], b"", b"  ", *lines[1:]]) + b"\n")
    assert traces.read(path) == EXAMPLE
    path.write_bytes(b"\n".join([lines[0], b"", b"oops"]) + b"\n")
    with pytest.raises(TraceError, match=r"a\.jsonl:3: "):
        traces.read(path)


@pytest.mark.parametrize("name", traces.shipped_names())
def test_shipped_traces_are_valid(name: str) -> None:
    assert traces.load(name).queries


def test_an_unknown_name_suggests_the_closest_shipped_trace(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="did you mean 'tpch'"):
        traces.load("tcph")
    with pytest.raises(TraceError, match="neither a file nor"):
        traces.load(tmp_path / "nowhere.jsonl")
    with pytest.raises(TraceError, match="a directory, expected a trace file"):
        traces.read(tmp_path)


# Damage

Records = list[dict[str, Any]]
HEADER, FIRST, SECOND, QUERY, LAST = range(5)


def put(line: int, **fields: object) -> Callable[[Records], object]:
    return lambda records: records[line].update(fields)


def put_operator(**fields: object) -> Callable[[Records], object]:
    return lambda records: records[FIRST]["operators"][0].update(fields)


def drop(line: int, field: str) -> Callable[[Records], object]:
    return lambda records: records[line].pop(field)


def put_wave(**fields: object) -> Callable[[Records], object]:
    return lambda records: records[SECOND]["operators"][0]["waves"][0].update(fields)


DAMAGE: dict[str, tuple[Callable[[Records], object], str]] = {
    "no header": (lambda records: records.pop(0), ":1: expected a header record"),
    "second header": (lambda records: records.insert(3, records[0]), ":4: a second header"),
    "other format": (put(HEADER, format="csv"), r":1: format is 'csv', expected 'lsched-trace'"),
    "newer version": (put(HEADER, version=2), ":1: version is 2, this release reads version 1"),
    "missing field": (drop(QUERY, "plan"), r":4: .*`plan`"),
    "unknown record": (put(FIRST, record="plam"), r":2: .*plam"),
    "unknown field": (put(QUERY, priority=1), r":4: .*`priority`"),
    "unknown operator field": (put_operator(sizes=1), r":2: .*`sizes`.*operators"),
    "count of text": (put_operator(num_work_orders="2"), r":2: .*num_work_orders"),
    "count with a fraction": (put_operator(num_work_orders=2.5), r":2: .*num_work_orders"),
    "count of zero": (put_operator(num_work_orders=0), r":2: num_work_orders is 0.*operators\[0\]"),
    "absurd count": (put_operator(num_work_orders=10**12), ":2: num_work_orders is 1000000000000"),
    "no times": (put_operator(work_order_us=[]), ":2: work_order_us is empty"),
    "negative time": (put_operator(work_order_us=[3, -9]), ":2: work_order_us is -9, expected 1"),
    "absurd time": (put_operator(work_order_us=[10**16]), ":2: work_order_us is 1000000000000000"),
    "time beyond 64 bits": (put_operator(work_order_us=[10**40]), r":2: .*work_order_us"),
    "empty kind": (put_operator(kind=""), ":2: kind is empty"),
    "negative bytes": (put_operator(state_bytes=-1), ":2: state_bytes is -1"),
    "negative estimate": (put_operator(est_output_bytes=-1), ":2: est_output_bytes is -1"),
    "zero estimate": (put_operator(est_work_order_us=0), ":2: est_work_order_us is 0"),
    "contention above 1": (put_operator(contention=1.5), ":2: contention is 1.5"),
    "no operators": (put(FIRST, operators=[], edges=[]), ":2: plan 'first' has no operators"),
    "empty name": (put(FIRST, name=""), ":2: name is empty"),
    "edge to nowhere": (put(FIRST, edges=[[0, 2]]), r":2: edge \(0, 2\) .*operators are 0 to 1"),
    "loop": (put(FIRST, edges=[[1, 1]]), r":2: edge \(1, 1\) .*loop"),
    "edge twice": (put(FIRST, edges=[[0, 1], [0, 1, False]]), r":2: edge \(0, 1\) .*twice"),
    "cycle": (put(FIRST, edges=[[0, 1], [1, 0]]), ":2: plan 'first' has a cycle"),
    "wave unsorted": (put_wave(fresh=[4, 1]), ":3: fresh must be sorted"),
    "wave empty": (put_wave(fresh=[], rest=[]), ":3: a wave needs at least one"),
    "wave for 0 executors": (put_wave(num_executors=0), ":3: num_executors is 0"),
    "waves not increasing": (
        lambda records: records[SECOND]["operators"][0]["waves"].append(
            {"num_executors": 2, "rest": [1]}
        ),
        r":3: waves are for \[2, 2\]",
    ),
    "plan twice": (put(SECOND, name="first"), ":3: name: plan 'first' is there twice"),
    "plan after queries": (
        lambda records: records.append(records.pop(SECOND)),
        r":\d: (plan: 'second' is not in this trace|a plan after)",
    ),
    "unknown plan": (put(QUERY, plan="frist"), ":4: plan: 'frist' .*did you mean 'first'"),
    "query twice": (put(LAST, query_id=0), ":5: query_id: 0 is there twice"),
    "out of order": (put(QUERY, arrival_us=41), ":5: arrival_us: 40 is before"),
    "negative arrival": (put(QUERY, arrival_us=-1), ":4: arrival_us is -1"),
    "absurd arrival": (put(LAST, arrival_us=10**16), ":5: arrival_us is 1000000000000000"),
    "size of zero": (put(QUERY, size_factor=0), ":4: size_factor is 0"),
    "negative latency": (put(QUERY, recorded_latency_us=-1), ":4: recorded_latency_us is -1"),
    "template of two plans": (
        lambda records: (put(QUERY, template="x")(records), put(LAST, template="x")(records)),
        ":5: template: 'x' stood for plan 'first' before, now for 'second'",
    ),
    "negative time factor": (put(QUERY, time_factor=-1), ":4: time_factor is -1"),
    "a query fewer": (
        lambda records: records.pop(),
        ":4: .*1 queries, the header promises 2 and 2",
    ),
    "a plan more promised": (put(HEADER, num_plans=3), "promises 3 and 2; is it truncated"),
    "no queries": (
        lambda records: (put(HEADER, num_queries=0)(records), records.pop(), records.pop()),
        "empty trace",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_refused_with_file_line_and_field(tmp_path: Path, case: str) -> None:
    damage, message = DAMAGE[case]
    path = write(tmp_path / "a.jsonl")
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    damage(records)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    with pytest.raises(TraceError, match=message) as caught:
        traces.read(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "-1e999"])
def test_numbers_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.jsonl")
    damaged = path.read_text(encoding="utf-8").replace(":40}", f':40,"size_factor":{text}}}')
    assert text in damaged
    path.write_text(damaged, encoding="utf-8")
    with pytest.raises(TraceError, match=r"a\.jsonl:5: "):
        traces.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"\n\n", "empty file"),
        (b"{", ":1: .*truncated"),
        (b"[1, 2]\n", ":1: not a trace file; expected JSON Lines"),
        (b"\xff\xfe\n", ":1: not a trace file; expected JSON Lines, .*; found binary data$"),
        (b"\x00\n", "found binary data$"),
        (b"a,b\n1,2\n", "; found 'a,b'$"),
        (b"x" * 1000, r"; found 'x+\.\.\.x+'$"),
        (b'{\n  "record": "header"\n}\n', ":1: not a trace file; expected JSON Lines"),
        (b"\x1f\x8b", "truncated or damaged gzip"),
        (b"\x1f\x8b" + b"nonsense" * 9, "damaged gzip"),
        (b"[" * 100_000, ":1: not a trace file"),
    ],
)
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(TraceError, match=message):
        traces.read(path)


def test_a_directory_is_no_trace(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r": a directory, expected a trace file \(\.jsonl or"):
        traces.load(tmp_path)


def test_plain_text_that_is_named_as_gzip(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl")
    plain = path.rename(tmp_path / "a.jsonl.gz")
    assert traces.read(plain).num_queries
    plain.write_text("no trace")
    with pytest.raises(
        TraceError, match=r"found 'no trace'; its name ends in \.gz, but it is not g"
    ):
        traces.read(plain)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.jsonl.gz"):
        path = write(tmp_path / name)
        whole = path.read_bytes()
        for size in range(0, len(whole) - 1, 7):
            path.write_bytes(whole[:size])
            with pytest.raises(TraceError):
                traces.read(path)


@settings(max_examples=400)
@given(
    st.booleans(),
    st.lists(
        st.tuples(
            st.integers(0, 2000),
            st.sampled_from(["replace", "insert", "delete"]),
            st.binary(min_size=1, max_size=3)
            | st.sampled_from([b"9", b"-", b"e9", b"null", b'"', b"}", b"[", b"\n", b"1e400"]),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_random_edits_end_in_a_trace_or_a_trace_error(
    tmp_path_factory: pytest.TempPathFactory,
    is_compressed: bool,
    edits: list[tuple[int, str, bytes]],
) -> None:
    path = write(tmp_path_factory.mktemp("edit") / ("a.jsonl.gz" if is_compressed else "a.jsonl"))
    data = bytearray(path.read_bytes())
    for at, what, content in edits:
        at %= len(data)
        if what == "insert":
            data[at:at] = content
        elif what == "delete":
            del data[at : at + len(content)]
        else:
            data[at : at + len(content)] = content
    path.write_bytes(data)
    with contextlib.suppress(TraceError):
        assert traces.read(path).plans


# Writing


def test_a_failed_write_leaves_neither_a_file_nor_a_part_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError("disk full")

    path = write(tmp_path / "kept.jsonl")
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", fail)
    for target in (path, tmp_path / "new.jsonl.gz"):
        with pytest.raises(OSError, match="disk full"):
            write(target)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["kept.jsonl"]


def test_a_compressed_file_has_no_time_or_name_in_it(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one.jsonl.gz"), write(tmp_path / "other.jsonl.gz")
    assert one.read_bytes() == other.read_bytes()
    assert gzip.decompress(one.read_bytes()).startswith(b'{"')


# Arrivals

MANY = 4_000


def test_gaps_are_exponential_with_the_mean_that_was_asked_for() -> None:
    drawn = poisson_arrivals(EXAMPLE, MANY, seed=7, interval_us=50_000.0)
    arrivals = np.array([query.arrival_us for query in drawn.queries])
    gaps = np.diff(arrivals)
    half_width = stats.norm.ppf(0.995) * 50_000 / math.sqrt(len(gaps))
    assert half_width < 0.05 * 50_000
    assert gaps.mean() == pytest.approx(50_000, abs=half_width)
    assert stats.kstest(gaps, "expon", args=(0, 50_000)).pvalue > 0.01
    assert arrivals[0] == 0


def test_an_offered_load_gives_the_interval_work_over_load_and_executors() -> None:
    # Mean work of the plans: first (3 + 9) + 4 = 16, second 5: 10.5 µs. At load 0.5 on 3
    # executors: 7 µs.
    by_load = poisson_arrivals(EXAMPLE, 50, seed=7, load=0.5, num_executors=3)
    assert by_load == poisson_arrivals(EXAMPLE, 50, seed=7, interval_us=10.5 / (0.5 * 3))
    # Twice the size: 2 × 12 + 4 (not scalable) and 10: 19 µs.
    larger = poisson_arrivals(EXAMPLE, 50, seed=7, load=0.5, num_executors=3, scale=2.0)
    assert larger == poisson_arrivals(EXAMPLE, 50, seed=7, interval_us=19 / 1.5, scale=2.0)


def test_a_batch_arrives_at_once() -> None:
    drawn = batch_arrivals(EXAMPLE, 20, seed=1)
    assert {query.arrival_us for query in drawn.queries} == {0}
    assert [query.query_id for query in drawn.queries] == list(range(20))
    assert {query.plan for query in drawn.queries} == {"first", "second"}


def test_arrivals_depend_on_the_seed_alone() -> None:
    first = poisson_arrivals(EXAMPLE, 30, seed=1, interval_us=9.0)
    assert first == poisson_arrivals(EXAMPLE, 30, seed=1, interval_us=9.0)
    assert first != poisson_arrivals(EXAMPLE, 30, seed=2, interval_us=9.0)


def test_instances_differ_log_normally_with_mean_one() -> None:
    drawn = batch_arrivals(EXAMPLE, MANY, seed=3, scale=2.0)
    for name, sd, mean in (("size_factor", 0.25, 2.0), ("time_factor", 0.3, 1.0)):
        factors = np.array([getattr(query, name) for query in drawn.queries])
        assert factors.mean() == pytest.approx(mean, abs=mean * 2.6 * sd / math.sqrt(MANY) * 1.1)
        assert np.log(factors).std() == pytest.approx(sd, rel=0.05)
    plain = batch_arrivals(EXAMPLE, 5, seed=3, size_sd=0, time_sd=0)
    assert {(query.size_factor, query.time_factor) for query in plain.queries} == {(1.0, 1.0)}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "either an interval or a load"),
        ({"interval_us": 5.0, "load": 0.5, "num_executors": 1}, "either an interval or a load"),
        ({"load": 0.5}, "num_executors"),
        ({"load": 0.5, "num_executors": 0}, "num_executors"),
        ({"load": 0.0, "num_executors": 1}, "load is 0"),
        ({"load": math.nan, "num_executors": 1}, "load is nan"),
        ({"interval_us": 0.0}, "interval is 0"),
        ({"interval_us": math.inf}, "interval is inf"),
        ({"interval_us": 5.0, "num_queries": 0}, "num_queries is 0"),
        ({"interval_us": 5.0, "scale": 0.0}, "scale is 0"),
        ({"interval_us": 5.0, "scale": math.nan}, "scale is nan"),
        ({"interval_us": 5.0, "size_sd": -1.0}, "size_sd is -1"),
        ({"interval_us": 5.0, "time_sd": 9.0}, "time_sd is 9"),
        ({"interval_us": 9e14, "num_queries": 50}, "arrival"),
        ({"interval_us": 5.0, "scale": 1e5, "size_sd": 2.0, "num_queries": 500}, "size_factor"),
    ],
)
def test_arrivals_that_cannot_be_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        poisson_arrivals(EXAMPLE, **{"num_queries": 10, "seed": 0, **parameters})


def test_an_open_stream_gives_what_load_gives_and_the_same_errors(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.gz")
    stream = traces.open_stream(path)
    assert (stream.name, stream.plans, stream.num_queries) == ("example", EXAMPLE.plans, 2)
    assert stream.load() == EXAMPLE
    plain = write(tmp_path / "a.jsonl")
    lines = plain.read_bytes().splitlines(keepends=True)
    plain.write_bytes(b"".join(lines[:-1]))
    cut = traces.open_stream(plain)
    queries = cut.queries
    assert next(queries) == EXAMPLE.queries[0]
    with pytest.raises(TraceError, match="1 queries, the header promises"):
        next(queries)
    plain.write_bytes(b"".join(lines[:1]) + b"{}\n")
    with pytest.raises(TraceError, match=":2: "):
        traces.open_stream(plain)


def test_query_ids_are_checked_in_any_order() -> None:
    check = QueryCheck({"p"})

    def add(query_id: int) -> None:
        check.add(Query(query_id=query_id, plan="p", arrival_us=0))

    for query_id in range(1000):
        add(query_id)
    for query_id in (1007, 1001, 1000, 5_000):
        add(query_id)
    for query_id in (0, 999, 1000, 1001, 1007, 5_000):
        with pytest.raises(ValueError, match="is there twice"):
            add(query_id)
