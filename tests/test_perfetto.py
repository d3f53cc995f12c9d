"""Trace-event files: they keep the format's rules, and hold the whole run."""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from builders import op, plan, trace

import traces
from lsched.cli import main
from lsched.perfetto import MemoryWatch, put_perfetto, trace_events
from lsched.watch import simulate_watched
from sim import Cluster, Outage, Result, simulate
from sim.active import ActiveQuery
from sim.workload import CompiledPlan
from traces import Trace

Events = list[dict[str, Any]]
PHASES = {"M", "B", "E", "b", "e", "i", "s", "f", "C"}
NODES = Cluster(
    num_nodes=2,
    executors_per_node=2,
    move_delay_us=20,
    memory_bytes=10_000,
    outages=(Outage(2_000, 3_000, executors=(1,)), Outage(5_000, None, nodes=(1,))),
)


def branching() -> Trace:
    """Two scans, a build and a probe that is pipelined, twice; state is held."""
    join = plan(
        op(900, 1100, 1000, kind="scan", name="orders"),
        op(400, kind="build", state_bytes=3000),
        op(700, 800, kind="scan", name='"li\\ne"', output_bytes=500),
        op(300, 200, kind="probe"),
        op(500, kind="sort", state_bytes=1000),
        edges="0-1 1>3 2-3 3>4",
        name="join",
    )
    return trace((join, 100), (plan(op(2500, count=6), name="b"), 1500), (join, 1700))


def watched(the_trace: Trace, cluster: Cluster, scheduler: str = "fair") -> tuple[Result, Events]:
    memory = MemoryWatch()
    result = simulate_watched(
        the_trace, scheduler, memory, cluster=cluster, record_events=True, engine="simpy"
    )
    out = io.BytesIO()
    put_perfetto(result, the_trace, memory.used_bytes, out)
    document = json.loads(out.getvalue())
    assert document["otherData"]["scheduler"] == scheduler
    return result, document["traceEvents"]


@pytest.fixture(scope="module", params=["plain", "outages", "tpch"])
def run(request: pytest.FixtureRequest) -> tuple[Trace, Result, Events]:
    if request.param == "tpch":
        tpch = traces.load("tpch")
        return tpch, *watched(tpch, Cluster(executors_per_node=6, memory_bytes=10**9))
    the_trace = branching()
    cluster = NODES if request.param == "outages" else NODES.replace(outages=())
    return the_trace, *watched(the_trace, cluster)


def test_the_rules_of_the_format(run: tuple[Trace, Result, Events]) -> None:
    _, _, events = run
    assert {event["ph"] for event in events} <= PHASES
    assert all(isinstance(event["pid"], int) for event in events)
    timed = [event for event in events if event["ph"] != "M"]
    assert all(isinstance(event["ts"], int) for event in timed)
    assert [e["ts"] for e in timed] == sorted(e["ts"] for e in timed)
    assert all(event["name"] for event in events if event["ph"] != "E")
    open_slices: dict[tuple[int, int], int] = Counter()
    for event in timed:
        track = (event["pid"], event.get("tid", 0))
        if event["ph"] == "B":
            assert open_slices[track] == 0, "an executor does one thing at a time"
            open_slices[track] += 1
        elif event["ph"] == "E":
            open_slices[track] -= 1
            assert open_slices[track] == 0
        elif event["ph"] in ("s", "f"):
            assert open_slices[track] == 1, "an arrow binds to the slice around it"
    assert not any(open_slices.values())


def test_arrows_and_queries_come_in_pairs(run: tuple[Trace, Result, Events]) -> None:
    the_trace, _, events = run
    for begin, end in (("s", "f"), ("b", "e")):
        starts = {e["id"]: e["ts"] for e in events if e["ph"] == begin}
        ends = {e["id"]: e["ts"] for e in events if e["ph"] == end}
        assert len(starts) == sum(e["ph"] == begin for e in events)
        assert len(ends) == sum(e["ph"] == end for e in events)
        assert starts.keys() == ends.keys()
        assert all(starts[key] <= ends[key] for key in starts)
    assert sum(e["ph"] == "b" for e in events) == the_trace.num_queries


def test_tracks_are_named_and_grouped_by_node(run: tuple[Trace, Result, Events]) -> None:
    _, result, events = run
    named = [e for e in events if e.get("name") == "thread_name"]
    tracks = {(e["pid"], e["tid"]): e["args"]["name"] for e in named}
    assert len(tracks) == result.cluster.num_executors + 1
    processes = {e["pid"]: e["args"]["name"] for e in events if e.get("name") == "process_name"}
    for (pid, _), name in tracks.items():
        if name.startswith("executor"):
            node = int(name.split()[1]) // result.cluster.executors_per_node
            assert processes[pid] == f"node {node}"
    used = {(e["pid"], e["tid"]) for e in events if "tid" in e}
    assert used <= tracks.keys()


def test_every_work_order_is_there_once(run: tuple[Trace, Result, Events]) -> None:
    the_trace, result, events = run
    open_slice: dict[int, dict[str, Any]] = {}
    found: Counter[tuple[int, int, int]] = Counter()
    for event in events:
        if event["ph"] == "B":
            open_slice[event["tid"]] = event
        elif event["ph"] == "E":
            begun = open_slice.pop(event["tid"])
            if begun["name"] == "away" or event.get("args", {}).get("is_lost"):
                continue
            args = begun["args"]
            for share in args["operators"]:
                first, count = share["first_work_order"], share["num_work_orders"]
                for work_order in range(first, first + count):
                    found[args["query_id"], share["operator"], work_order] += 1
    assert set(found.values()) == {1}
    assert found.total() == sum(query.num_work_orders for query in result.queries)
    plans = {p.name: CompiledPlan(p, result.cluster) for p in the_trace.plans}
    for query in the_trace.queries:
        counts = ActiveQuery(query, plans[query.plan], 0).num_work_orders
        assert all(
            (query.query_id, operator, index) in found
            for operator, count in enumerate(counts)
            for index in range(count)
        )


def test_counters_end_at_zero(run: tuple[Trace, Result, Events]) -> None:
    _, result, events = run
    series: dict[tuple[int, str], list[int]] = defaultdict(list)
    for event in events:
        if event["ph"] == "C":
            ((key, value),) = event["args"].items()
            series[event["pid"], f"{event['name']} {key}"].append(value)
    names = {name for _, name in series}
    assert names == {"queries in system", "executors busy", "memory used (bytes)"}
    assert len(series) == 2 + result.cluster.num_nodes
    for name, values in series.items():
        assert values[-1] == 0, name
        assert min(values) == 0
    peaks = [max(values) for (_, name), values in series.items() if name.startswith("memory")]
    assert 0 < sum(peaks) <= 2 * result.peak_memory_bytes


def test_arrows_lead_from_the_last_work_order_to_the_first() -> None:
    """By hand: two work orders at once, then the consumer."""
    two = trace(plan(op(100, 300), op(50), edges="0>1", name="two"))
    result = simulate(two, "fifo", cluster=Cluster(executors_per_node=2), record_events=True)
    arrows = [e for e in trace_events(result, two) if e["ph"] in ("s", "f")]
    (start, end) = arrows
    assert (start["ts"], end["ts"]) == (300, 300)
    assert start["id"] == end["id"]
    slices = [e for e in trace_events(result, two) if e["ph"] in ("B", "E")]
    last = [e["tid"] for e in slices if e["ts"] == 300 and e["ph"] == "E"]
    assert [start["tid"]] == last
    assert end["bp"] == "e"
    assert [e["args"]["operators"][0]["kind"] for e in slices if e["ph"] == "B"] == ["other"] * 3


def test_lost_work_and_absences_are_marked() -> None:
    the_trace = branching()
    _, events = watched(the_trace, NODES)
    assert any(event.get("args", {}).get("is_lost") for event in events)
    assert sum(event.get("name") == "away" for event in events) == 3


def test_a_run_without_memory_budget_or_log() -> None:
    two = trace(plan(op(100, 300)))
    result, events = watched(two, Cluster())
    assert not any(e["ph"] == "C" and e["name"] == "memory" for e in events)
    unlogged = simulate(two, "fifo", cluster=result.cluster)
    with pytest.raises(ValueError, match="no event log"):
        list(trace_events(unlogged, two))


def test_a_watched_run_is_the_same_run() -> None:
    the_trace, cluster = branching(), NODES.replace(outages=())
    for scheduler in ("fair", "oracle-srpt", "srpt:size=history"):
        plain = simulate(the_trace, scheduler, cluster=cluster, record_events=True)
        result, _ = watched(the_trace, cluster, scheduler)
        assert result.events == plain.events
        assert result.scheduler == scheduler


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "x.jsonl", tmp_path / "run.json"
    traces.write(branching(), file)
    words = ["simulate", str(file), "--cluster", "inmemory-32:executors_per_node=2"]
    assert main([*words, "--engine", "simpy", "--perfetto", str(out)]) == 0
    assert "mean latency" in capsys.readouterr().out
    names = {event.get("name") for event in json.loads(out.read_text())["traceEvents"]}
    assert {"join #0: scan orders → build", "b #1: other", "memory", "schedule"} <= names
