"""Decima's profiles alone on ten executors: by hand, and against published simulators."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import op, plan, run, spans, trace

from lsched.cli import main
from lsched.validate.decima import (
    PUBLISHED,
    SIZE,
    EarliestReady,
    latency_alone_s,
    queries_alone,
)
from traces import Plan
from traces.importers.decima import import_decima

DOCUMENT = Path(__file__).parents[2] / "shared" / "data" / "decima_tpch" / "tpch_decima.json.gz"
needs_samples = pytest.mark.skipif(not DOCUMENT.exists(), reason="the sample profiles are not here")


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    imported = import_decima(DOCUMENT, times="mean", sizes=[SIZE]).plans
    return {each.name.rpartition("-q")[2]: each for each in imported}


def stages(the_plan: Plan) -> list[tuple[int, int]]:
    """(tasks, ms) of each stage."""
    return [(o.num_work_orders, o.work_order_us[0] // 1000) for o in the_plan.operators]


@needs_samples
def test_queries_alone_take_what_published_simulators_say() -> None:
    found = queries_alone(DOCUMENT)
    assert [alone.query for alone in found] == ["6", "9", "18"]
    for alone in found:
        published = PUBLISHED[alone.query]
        assert alone.earliest_ready_s == pytest.approx(published.first_s, abs=5e-4)
        assert alone.earliest_ready_s == pytest.approx(published.second_s, rel=0.005)
        # Other orders of stages are others, though not far.
        for other_s in (alone.by_index_s, alone.longest_path_s):
            assert other_s == pytest.approx(published.first_s, rel=0.01)
            assert (other_s != alone.earliest_ready_s) == (alone.query != "6")


@needs_samples
def test_query_6_by_hand(plans: dict[str, Plan]) -> None:
    # 58 tasks on 10 executors are 6 rounds, then there is one task; all after a move of 2 s.
    assert stages(plans["6"]) == [(58, 3067), (1, 455)]
    assert latency_alone_s(plans["6"], EarliestReady()) == (2_000 + 6 * 3_067 + 455) / 1_000


@needs_samples
def test_query_18_by_hand(plans: dict[str, Plan]) -> None:
    """List scheduling with pencil and paper, ms; stages 0, 2, 3 and 5 can start at once."""
    the_plan = plans["18"]
    edges = [(edge.producer, edge.consumer) for edge in the_plan.edges]
    assert edges == [(0, 1), (1, 4), (2, 4), (3, 4), (4, 6), (5, 6), (6, 7)]
    assert stages(the_plan) == [
        *[(58, 3_841), (200, 123), (13, 3_104), (58, 2_484)],
        *[(200, 262), (2, 1_746), (200, 85), (1, 210)],
    ]
    # Stage 0: five full rounds, and a sixth of 8 tasks. Executors a and b go on to stage 2.
    ab = 2_000 + 5 * 3_841
    eight = ab + 3_841
    # Stage 2 (13 tasks): 2 and 2 on a and b, 8 on the eight, and the last one on a.
    ab += 2 * 3_104
    eight += 3_104
    a, b = ab + 3_104, ab
    assert a > eight > b
    # Stage 3 (58 tasks), started in the order b, eight, b, a, eight, b, a, …: b starts at
    # 27,413 and then every 2,484, a at 30,517, the eight at 28,150. Until a full round of the
    # eight starts at 38,086 there are 5 on b, 4 on a, 8 · 5 on the eight: 49. Then one each on b
    # and a, at 39,833 and 40,453, makes 51, and at 40,570 the last 7 start on seven of the eight.
    assert (b + 4 * 2_484, a + 3 * 2_484, eight + 4 * 2_484) == (37_349, 37_969, 38_086)
    b, a, eight = b + 6 * 2_484, a + 5 * 2_484, eight + 5 * 2_484
    assert 5 + 4 + 8 * 5 + 2 + 7 == 58
    seven, eighth = eight + 2_484, eight
    # Stage 5 (2 tasks, older than stage 1): both on the eighth, as it is free 1 ms before b.
    assert eighth + 1_746 == b - 1
    eighth += 2 * 1_746
    # Stage 1 (200 tasks of 123): those who come start one after the other, b, a, the seven, the
    # eighth. Until the seven want their 21st at 45,514, b has started 26, a 21, the eighth 12.
    assert (b, a, seven, eighth) == (42_317, 42_937, 43_054, 44_062)
    now = seven + 20 * 123
    started = [-(-(now - free) // 123) for free in (b, a, *[seven] * 7, eighth)]
    assert started == [26, 21, *[20] * 7, 12]
    assert sum(started) == 199
    # So one of the seven takes the 200th. The rest is full rounds: stages 4, 6, and one task.
    end = now + 123 + 20 * 262 + 20 * 85 + 210
    assert end == 52_787
    assert latency_alone_s(the_plan, EarliestReady()) == end / 1_000


@needs_samples
def test_no_order_of_stages_is_far_off(plans: dict[str, Plan]) -> None:
    assert len(plans) == 22
    for each in plans.values():
        work_s = sum(operator.work_us for operator in each.operators) / 1e6
        for scheduler in (EarliestReady(), "fair", "critical-path"):
            assert 2 + work_s / 10 <= latency_alone_s(each, scheduler) <= 2 + work_s


def test_the_stage_that_could_start_first_goes_first() -> None:
    # Stage 0 waits for stage 1, so stages 1 and 2, which could start at once, come first.
    the_plan = plan(op(5, 5), op(5), op(5, 5), edges="1>0")
    simulation = run(trace(the_plan), EarliestReady().decide, executors_per_node=1)
    assert [stage for _, stage, *_ in spans(simulation)] == [1, 2, 2, 0, 0]


@needs_samples
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "decima", str(DOCUMENT)]) == 0
    text = capsys.readouterr().out
    for number in ("20.857", "54.630", "54.461", "52.787", "52.910", "53.279", "+0.31 %"):
        assert number in text


def test_the_command_without_profiles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "decima", str(tmp_path)]) == 2
    assert "no adj_mat_" in capsys.readouterr().err
