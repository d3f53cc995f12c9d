"""Capture from DuckDB: profiles of both schemas, pipelines by hand, conservation of time."""

from __future__ import annotations

import itertools
import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import traces
from traces import Edge, TraceError
from traces.cache import PROBE_CURVE, probe_cost_ns, probe_slowdown
from traces.capture import duckdb as capture
from traces.capture.duckdb_draft import DraftPlan, hash_table_bytes
from traces.capture.duckdb_estimates import integer_times, to_plans
from traces.capture.duckdb_log import ROW_GROUP_ROWS, LogEvent, measure_pipelines
from traces.capture.duckdb_operators import Execution, MeasuredPlan, measure_plan
from traces.capture.duckdb_plan import draft_plan
from traces.capture.duckdb_profile import Profile, ProfileNode, parse_profile

DATA = Path(__file__).parent / "data"
SHARED = Path(__file__).parents[2] / "shared" / "data" / "duckdb"


def profile_of(name: str) -> Profile:
    return parse_profile((DATA / f"duckdb_{name}.json").read_bytes(), name)


def recorded_q3() -> tuple[Profile, list[LogEvent], int]:
    record = json.loads((DATA / "duckdb_1.5_q3_log.json").read_text("utf-8"))
    return profile_of("1.5_q3"), [LogEvent(**event) for event in record["events"]], record["end_us"]


# Rows of the row groups in the recorded profile: 600,572 of lineitem, 150,000 of orders.
ROW_GROUPS = {
    ("lineitem", 4): 600_572 - 4 * ROW_GROUP_ROWS,
    ("orders", 1): 150_000 - ROW_GROUP_ROWS,
    ("customer", 0): 15_000,
}


def test_both_schemas_give_the_same_tree() -> None:
    old, new = profile_of("1.5_q3"), profile_of("2.0_q3")
    types = [node.type for node in old.walk()]
    assert types == [node.type for node in new.walk()][1:]  # 2.0 has a result collector on top
    assert [node.table for node in old.walk() if node.type == "TABLE_SCAN"] == [
        "lineitem",
        "orders",
        "customer",
    ]
    assert [node.table for node in new.walk() if node.table] == ["lineitem", "orders", "customer"]
    scan = next(node for node in new.walk() if node.table == "orders")
    assert (scan.rows, scan.est_rows, scan.rows_scanned) == (147_126, 300_000, 1_500_000)
    assert scan.time_s == pytest.approx(0.0635, abs=1e-4)
    assert new.latency_s == pytest.approx(0.2419, abs=1e-4)
    assert old.latency_s > 0.01


@pytest.mark.parametrize("name", ["prof_q3_1.5.5.json", "prof_q3_2.0.0.json"])
def test_whole_profiles_are_read(name: str) -> None:
    path = SHARED / name
    if not path.exists():
        pytest.skip("the sample profiles are not beside this checkout")
    profile = parse_profile(path.read_bytes(), name)
    assert draft_plan(profile).operators


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "p.json: not a JSON document"),
        ("[1]", "p.json: expected a JSON object, got list"),
        ("{}", "neither 'children' nor 'operator' is there"),
        ('{"children": []}', "children is empty"),
        ('{"children": 3}', "children is int, expected a list"),
        ('{"children": [3]}', r"children\[0\] is int, expected an operator object"),
        ('{"children": [{"x": 1}]}', r"children\[0\]: neither 'operator_type' nor 'type'"),
        (
            '{"children": [{"operator_type": "FILTER", "operator_timing": "fast"}]}',
            r"children\[0\].operator_timing is 'fast', expected a number",
        ),
        (
            '{"operator": [{"type": "FILTER", "children": [{"type": "X", "timing": -1}]}]}',
            r"operator\[0\].children\[0\].timing is -1, expected a number from 0 to 1e\+06",
        ),
        (
            '{"children": [{"operator_type": "FILTER", "operator_cardinality": 1e15}]}',
            r"operator_cardinality is 1000000000000000.0, expected a number from 0 to 1e\+12",
        ),
        ('{"operator": [], "query": 7}', "query is int, expected an object"),
    ],
)
def test_malformed_profiles_name_the_field(text: str, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        parse_profile(text, "p.json")


def test_deep_profiles_are_refused() -> None:
    text = '{"type": "FILTER", "children": ['
    with pytest.raises(TraceError, match=r"nested more than|not a JSON document"):
        parse_profile('{"operator": [' + text * 600 + "]}" * 600 + "]}")


def kinds(plan: DraftPlan) -> list[str]:
    return [operator.kind for operator in plan.operators]


@pytest.mark.parametrize("name", ["1.5_q3", "2.0_q3"])
def test_pipelines_of_q3_by_hand(name: str) -> None:
    plan = draft_plan(profile_of(name))
    assert kinds(plan) == [
        *("scan", "filter", "build"),  # customer
        *("scan", "probe", "build"),  # orders
        *("scan", "probe", "project", "project", "aggregate"),  # lineitem
        *("project", "project", "top-n"),
    ]
    assert plan.pipelines == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13]]
    breaking = [(edge.producer, edge.consumer) for edge in plan.edges if edge.is_pipeline_breaker]
    assert breaking == [(2, 4), (5, 7), (10, 11)]


def test_duplicate_eliminating_joins_collect_their_input_once() -> None:
    plan = draft_plan(profile_of("1.5_q17"))  # LEFT_DELIM_JOIN
    collected = kinds(plan).index("materialize")
    readers = [edge for edge in plan.edges if edge.producer == collected]
    # Its distinct rows feed a build (DELIM_SCAN), the collected rows the probe above it.
    assert [kinds(plan)[edge.consumer] for edge in readers] == ["build", "probe"]
    assert all(edge.is_pipeline_breaker for edge in readers)
    assert [plan.operators[edge.consumer].rows_in for edge in readers] == [18, 555]


def test_common_table_expressions_are_shared() -> None:
    plan = draft_plan(profile_of("1.5_q15"))
    shared = kinds(plan).index("materialize")
    assert plan.operators[shared].name == "revenue"
    readers = [edge for edge in plan.edges if edge.producer == shared]
    assert len(readers) == 2
    assert all(edge.is_pipeline_breaker for edge in readers)


def node(
    kind: str, *children: ProfileNode, rows: int = 5000, info: dict[str, str] | None = None
) -> ProfileNode:
    return ProfileNode(kind, rows, 8 * rows, 0.01, rows, rows, info or {}, children)


def tree(root: ProfileNode) -> DraftPlan:
    return draft_plan(Profile(1.0, (root,)))


def test_right_semi_join_gives_its_output_after_the_probe() -> None:
    join = node(
        "HASH_JOIN", node("TABLE_SCAN"), node("TABLE_SCAN"), info={"Join Type": "RIGHT_SEMI"}
    )
    plan = tree(node("FILTER", join))
    assert kinds(plan) == ["scan", "build", "scan", "probe", "filter"]
    assert plan.pipelines == [[0, 1], [2, 3], [4]]


def test_right_delim_join_builds_once_for_both_readers() -> None:
    source, table = node("TABLE_SCAN"), node("TABLE_SCAN", rows=90_000)
    scan = node("DELIM_SCAN", rows=0, info={"Delim Index": "1"})
    inner = node("HASH_JOIN", table, scan)
    join = node("HASH_JOIN", inner, node("DUMMY_SCAN", rows=0), info={"Join Type": "RIGHT_SEMI"})
    distinct = node("HASH_GROUP_BY", rows=700)
    plan = tree(node("RIGHT_DELIM_JOIN", source, join, distinct, rows=0, info={"Delim Index": "1"}))
    assert kinds(plan) == ["scan", "build", "build", "scan", "probe", "probe"]
    assert plan.pipelines == [[0, 1], [2], [3, 4, 5]]
    assert [plan.operators[index].rows_in for index in (1, 2)] == [5000, 700]
    assert plan.edges[0] == Edge(0, 1, False)
    assert {edge.consumer for edge in plan.edges if edge.producer == 1} == {2, 5}


@pytest.mark.parametrize("kind", ["NESTED_LOOP_JOIN", "CROSS_PRODUCT", "BLOCKWISE_NL_JOIN"])
def test_other_joins_stream_left_and_wait_for_right(kind: str) -> None:
    plan = tree(node(kind, node("TABLE_SCAN"), node("TABLE_SCAN")))
    assert kinds(plan) == ["scan", "scan", "join"]
    assert sorted(plan.pipelines) == [[0, 2], [1]]


@pytest.mark.parametrize("kind", ["UNION", "IE_JOIN", "PIECEWISE_MERGE_JOIN"])
def test_unions_and_sorting_joins_wait_for_both(kind: str) -> None:
    plan = tree(node(kind, node("TABLE_SCAN"), node("TABLE_SCAN")))
    assert plan.pipelines == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("root", "message"),
    [
        (node("HASH_JOIN", node("TABLE_SCAN")), "HASH_JOIN has 1 inputs, expected 2"),
        (node("CTE_SCAN", info={"CTE Index": "7"}), "CTE_SCAN 7 but not the operator it reads"),
        (node("LEFT_DELIM_JOIN", node("TABLE_SCAN")), "expects an input and a join"),
    ],
)
def test_contradictory_trees_are_refused(root: ProfileNode, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        tree(root)


def test_join_time_is_split_and_kept() -> None:
    for name in ("1.5_q3", "2.0_q3", "1.5_q4", "1.5_q15", "1.5_q17"):
        profile = profile_of(name)
        plan = draft_plan(profile)
        total = sum(part.time_s for part in profile.walk())
        assert sum(operator.time_s for operator in plan.operators) == pytest.approx(total)
        assert all(operator.time_s >= 0 for operator in plan.operators)


def test_join_time_is_split_by_the_cost_of_building() -> None:
    # 5,000 rows at 35 ns; the probe has the rest of 10 ms.
    plan = tree(node("HASH_JOIN", node("TABLE_SCAN"), node("TABLE_SCAN")))
    assert [plan.operators[index].time_s for index in (1, 3)] == pytest.approx([175e-6, 9825e-6])
    # A million rows on both sides cost more than the 10 ms there are: divided as expected.
    table = node("TABLE_SCAN", rows=1_000_000)
    plan = tree(node("HASH_JOIN", table, table))
    probe_ns = probe_cost_ns(hash_table_bytes(1_000_000, 8), 32 << 20)
    assert plan.operators[1].time_s == pytest.approx(0.01 * 35 / (35 + probe_ns))
    assert plan.operators[3].time_s == pytest.approx(0.01 * probe_ns / (35 + probe_ns))


def test_hash_table_sizes() -> None:
    # Sizes logged for builds of 8,590 and 1,500,000 rows of 32 and 16 bytes.
    assert hash_table_bytes(8_590, 32) == pytest.approx(858_552, rel=0.25)
    assert hash_table_bytes(1_500_000, 8) == pytest.approx(59_066_720, rel=0.25)


def test_log_gives_every_work_order_its_time() -> None:
    profile, events, end_us = recorded_q3()
    plan = draft_plan(profile)
    times = measure_pipelines(plan, events, end_us, ROW_GROUPS)
    assert [len(time.work_order_us) for time in times] == [1, 2, 5, 1]
    assert sum(time.total_us for time in times) == pytest.approx(end_us - events[0].time_us)
    starts = [event.time_us for event in events if "lineitem" in event.info.get("file", "")]
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    assert times[2].work_order_us[:4] == gaps


def test_without_a_log_the_profile_stands_in() -> None:
    profile = profile_of("2.0_q3")
    plan = draft_plan(profile)
    times = measure_pipelines(plan, [], 0, {})
    assert [len(time.work_order_us) for time in times] == [2, 13, 49, 1]
    total_us = 1e6 * sum(part.time_s for part in profile.walk())
    assert sum(time.total_us for time in times) == pytest.approx(total_us)


def measured_q3() -> MeasuredPlan:
    profile, events, end_us = recorded_q3()
    slower = [replace(event, time_us=2 * event.time_us) for event in events]
    faster = [replace(event, time_us=event.time_us // 2) for event in events]
    runs = [
        Execution(profile, slower, 2 * end_us),
        Execution(profile, events, end_us),
        Execution(profile, faster, end_us // 2),
    ]
    return measure_plan("q3", runs, ROW_GROUPS)


def test_median_execution_is_kept_and_time_conserved() -> None:
    plan = measured_q3()
    _, events, end_us = recorded_q3()
    assert plan.execution_us == pytest.approx(end_us - events[0].time_us)
    assert sum(operator.work_us for operator in plan.operators) == pytest.approx(plan.execution_us)
    whole = to_plans([plan])[0]
    assert whole.work_us == pytest.approx(plan.execution_us, rel=1e-3)
    for chain in plan.pipelines:
        counts = {whole.operators[index].num_work_orders for index in chain}
        assert len(counts) == 1
    # Trivial projections and filters have joined their neighbours.
    assert [operator.kind for operator in whole.operators] == [
        *("scan", "build"),
        *("scan", "probe", "build"),
        *("scan", "probe", "aggregate"),
        "top-n",
    ]
    assert [operator.is_scalable for operator in whole.operators] == [True] * 8 + [False]


def test_rounding_keeps_work_orders_whole() -> None:
    plan = measured_q3()
    for operator in plan.operators:
        operator.work_order_us = [time / 100 for time in operator.work_order_us]
    times = integer_times(plan)
    for chain in plan.pipelines:
        exact = zip(*(plan.operators[index].work_order_us for index in chain), strict=True)
        whole = zip(*(times[index] for index in chain), strict=True)
        for before, after in zip(exact, whole, strict=True):
            assert min(after) >= 1
            assert sum(after) == pytest.approx(max(sum(before), len(chain)), abs=0.51)


def test_probes_are_recorded_as_if_alone_in_the_cache() -> None:
    tables = [node("TABLE_SCAN", rows=rows) for rows in (500_000, 1_000_000, 3_000_000)]
    root = node("HASH_JOIN", node("HASH_JOIN", tables[2], tables[0]), tables[1])
    run = Execution(Profile(1.0, (root,)), [], 0)
    plan = measure_plan("q", [run], {})
    draft = draft_plan(run.profile)
    states = [item.state_bytes for item in draft.operators if item.kind == "build"]
    probes = [item for item in plan.operators if item.draft.kind == "probe"]
    assert sorted(states) != states or states[0] != states[1]
    for probe, own in zip(probes, reversed(states), strict=True):
        slowdown = probe_slowdown(own, sum(states), 32 << 20)
        assert slowdown > 1
        assert probe.work_us == pytest.approx(1e6 * probe.draft.time_s / slowdown)


def test_tables_that_fit_together_or_in_a_private_cache_are_not_slowed() -> None:
    cache = 32 << 20
    assert probe_slowdown(8 << 20, cache, cache) == 1.0
    assert probe_slowdown(1 << 20, 10 * cache, cache) == 1.0
    alone, shared = probe_cost_ns(8 << 20, cache), probe_cost_ns(16 << 20, cache)
    assert probe_slowdown(8 << 20, 2 * cache, cache) == shared / alone > 1.0


def test_probe_curve() -> None:
    assert [probe_cost_ns(ratio * 1000, 1000) for ratio, _ in PROBE_CURVE] == pytest.approx(
        [cost for _, cost in PROBE_CURVE]
    )
    assert probe_cost_ns(0, 1) == 7.0
    assert probe_cost_ns(1e18, 1) == 55.0
    assert probe_cost_ns(0.4375, 1) == pytest.approx(29.0)
    with pytest.raises(ValueError, match="cache_bytes is 0"):
        probe_cost_ns(1, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"benchmark": "tpcx"}, "no benchmark 'tpcx'; there are tpch"),
        ({"scale_factor": 0.0}, "scale_factor is 0.0, expected"),
        ({"repetitions": 0}, "repetitions is 0, expected"),
    ],
)
def test_wrong_parameters(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        capture.capture_benchmark(**arguments)  # type: ignore[arg-type]


def test_missing_duckdb_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(TraceError, match=r"capture extra: pip install 'lsched\[capture\]'"):
        capture.capture_benchmark()


def test_small_capture_end_to_end(tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="DuckDB is not installed (extra 'capture')")
    pytest.importorskip("duckdb_extension_tpch", reason="DuckDB's TPC-H extension is not installed")
    lines: list[str] = []
    raw = capture.measure_benchmark(
        "tpch",
        0.01,
        1,
        tmp_path / "it's here",
        lines.append,
        only=("q1", "q3", "q15", "q17", "q21"),
    )
    assert len(lines) == 6
    measured = capture.measured_plans(raw)
    for plan in measured:
        # Planning takes a large part of queries this small.
        assert 0.2 < plan.coverage <= 1.01
        work_us = sum(operator.work_us for operator in plan.operators)
        assert work_us <= plan.execution_us * 1.001
    trace = capture.build_trace(raw)
    assert trace == capture.build_trace(raw)
    assert [plan.name for plan in trace.plans] == ["q1", "q3", "q15", "q17", "q21"]
    traces.write(trace, tmp_path / "a.jsonl.gz")
    assert traces.read(tmp_path / "a.jsonl.gz") == trace


SHIPPED = {
    "tpch": [f"q{number}" for number in range(1, 23)],
    "tpcds": [f"q{number}" for number in range(1, 100)],
    "ssb": [
        f"q{flight}.{n}" for flight, last in enumerate((3, 3, 4, 3), 1) for n in range(1, last + 1)
    ],
}
"""Plans of the shipped captures."""


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_captures(name: str) -> None:
    trace = traces.load(name)
    assert [plan.name for plan in trace.plans] == SHIPPED[name]
    assert len(trace.queries) == 100
    assert {query.size_factor > 1 for query in trace.queries} == {True}
    for field in ("engine", "version", "command", "date", "processor", "threads", "arrivals"):
        assert trace.source[field]
    works_ms = [plan.work_us / 1e3 for plan in trace.plans]
    assert 3 < min(works_ms) < max(works_ms) < 2000
    assert 50 < statistics.median(works_ms) < 500
    for plan in trace.plans:
        assert 2 <= len(plan.operators) <= 100
        for index, operator in enumerate(plan.operators):
            assert operator.kind in traces.KINDS
            assert len(operator.work_order_us) == operator.num_work_orders
            assert operator.est_work_order_us is not None
            # A pipeline is a chain whose operators have the same number of work orders.
            streams = [edge for edge in plan.outputs[index] if not edge.is_pipeline_breaker]
            assert len(streams) <= 1
            for edge in streams:
                consumer = plan.operators[edge.consumer]
                assert consumer.num_work_orders == operator.num_work_orders
                assert consumer.is_scalable == operator.is_scalable
            inputs = [edge for edge in plan.inputs[index] if not edge.is_pipeline_breaker]
            assert len(inputs) <= 1
            if operator.kind == "probe":
                producers = [plan.operators[edge.producer].kind for edge in plan.inputs[index]]
                assert "build" in producers
