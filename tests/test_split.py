"""Training, validation and test: nothing in two parts, nothing lost, the same for everybody."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import traces
from lsched import Arrivals
from lsched.cli import main
from lsched.errors import OptionError
from lsched.tune import tune
from sim import Cluster
from traces import PARTS, Operator, Plan, Query, Trace, TraceError, part_of, part_seeds
from traces.split import SEEDS

PLANS = tuple(
    Plan(
        name=f"p{number}", operators=(Operator(kind="scan", num_work_orders=1, work_order_us=(5,)),)
    )
    for number in range(10)
)


def trace_at(arrivals_us: list[int], templates: list[str] | None = None) -> Trace:
    """Queries at these times, of the ten plans in turn; or of templates of the plan p0."""
    queries = tuple(
        Query(
            query_id=number,
            plan="p0" if templates else f"p{number % 10}",
            template=templates[number] if templates else "",
            arrival_us=arrival,
        )
        for number, arrival in enumerate(arrivals_us)
    )
    return Trace(name="t", plans=PLANS, queries=queries)


def test_by_time_by_hand() -> None:
    trace = trace_at([100, 150, 159, 160, 179, 180, 199])
    ids = {part: [q.query_id for q in part_of(trace, part).queries] for part in PARTS}
    assert ids == {"training": [0, 1, 2], "validation": [3, 4], "test": [5, 6]}
    assert part_of(trace, "test").queries[0].arrival_us == 180, "the hour of the day is kept"
    assert part_of(trace, "test").plans == trace.plans


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=40))
def test_every_query_is_in_one_part(arrivals_us: list[int]) -> None:
    trace = trace_at(sorted(arrivals_us))
    for by in ("time", "template"):
        seen: Counter[int] = Counter()
        for part in PARTS:
            try:
                seen.update(query.query_id for query in part_of(trace, part, by).queries)
            except TraceError:
                continue  # empty, which the count below would show if it were wrong
        assert seen == Counter(range(len(arrivals_us)))


def test_by_template_keeps_templates_whole_whatever_arrives_when() -> None:
    names = [f"t{number % 20}" for number in range(200)]
    parts = {p: part_of(trace_at(list(range(200)), names), p, "template") for p in PARTS}
    of = {part: {query.template for query in trace.queries} for part, trace in parts.items()}
    # Plans without queries are templates as well: 9 of them beside the 20.
    assert set.union(*of.values()) == set(names)
    assert sum(map(len, of.values())) == 20
    again = part_of(trace_at(list(range(0, 400, 2)), names), "training", "template")
    assert {query.template for query in again.queries} == of["training"]


def test_by_template_splits_plans_where_there_are_no_templates() -> None:
    parts = [part_of(traces.load("tpch"), part, "template") for part in PARTS]
    names = [[plan.name for plan in part.plans] for part in parts]
    assert [len(part) for part in names] == [13, 4, 5]
    assert len(set().union(*names)) == 22
    for part in parts:
        assert {query.plan for query in part.queries} <= {plan.name for plan in part.plans}


def test_seeds_do_not_meet() -> None:
    assert part_seeds("test", 10) == tuple(range(10))
    assert part_seeds("training", 10) == tuple(range(1000, 1010))
    assert len(set().union(*SEEDS.values())) == sum(map(len, SEEDS.values()))
    with pytest.raises(TraceError, match="2000 test seeds, expected 1 to 1000"):
        part_seeds("test", 2000)


def test_what_cannot_be_split() -> None:
    batch = trace_at([7])
    with pytest.raises(TraceError, match="no query in its training part by time"):
        part_of(batch, "training")
    with pytest.raises(TraceError, match="part is 'tset'"):
        part_of(batch, "tset")  # type: ignore[arg-type]
    with pytest.raises(TraceError, match="split by 'size'"):
        part_of(batch, "test", "size")  # type: ignore[arg-type]


def test_arrivals_replay_or_draw_from_a_part() -> None:
    trace = trace_at(list(range(100)))
    replay = Arrivals(part="test").of(trace, Cluster(), 0)
    assert [query.query_id for query in replay.queries] == list(range(80, 100))
    drawn = Arrivals(interval_s=1.0, part="test", split="template").of(trace, Cluster(), 0)
    assert {query.plan for query in drawn.queries} == {plan.name for plan in drawn.plans}
    assert len(drawn.plans) == 2
    assert Arrivals(part="test").label == "replay, test part by time"
    assert Arrivals(part="test").config() == {"kind": "replay", "part": "test", "split": "time"}
    with pytest.raises(OptionError, match="replayed, not drawn"):
        Arrivals(load=0.5, part="test")


def test_tuning_replays_the_training_part() -> None:
    trace = trace_at(list(range(100)))
    tuning = tune(trace, "srpt", {"share": (1.0,)}, seeds=1)
    (run,) = tuning.comparison.cases[0].outcomes["srpt"].runs
    assert [query.query_id for query in sorted(run.queries, key=lambda q: q.query_id)] == list(
        range(60)
    )


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "t.jsonl", tmp_path / "tuned.json"
    traces.write(trace_at(list(range(100))), file)
    grid = ["--scheduler", "srpt", "--grid", "share=1", "--seeds", "1", "--out", str(out)]
    kinds = [
        ([], {"kind": "replay", "part": "training", "split": "time"}),
        (["--part", "all"], {"kind": "replay"}),
        (["--part", "validation", "--split", "template"], {"kind": "replay", "part": "validation"}),
        (["--interval", "1"], {"kind": "poisson"}),
    ]
    for options, expected in kinds:
        assert main(["tune", str(file), *grid, *options]) == 0, capsys.readouterr().err
        (arrivals,) = json.loads(out.read_text())["arrivals"]
        assert arrivals.items() >= expected.items()
        assert ("part" in arrivals) == ("part" in expected)
    assert main(["compare", str(file), "--schedulers", "fifo", "--part", "test"]) == 0
    assert "20 queries" in capsys.readouterr().out
    assert main(["compare", str(file), "--schedulers", "fifo", "--part", "tset"]) == 2
    assert "tset" in capsys.readouterr().err
