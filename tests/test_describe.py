"""``lsched describe``: the right figures, for every kind of trace, and plots of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import op, plan, trace
from matplotlib.colors import to_hex

import traces
from lsched.cli import main
from lsched.describe import describe
from lsched.plots.plan import MAX_INCHES, pipeline_colours, plan_graph
from lsched.plots.trace import MAX_GROUPS, group_names
from sim import Cluster
from traces import Query, Trace
from traces.statistics import work_us

KINDS: dict[str, Trace] = {
    "one query": trace(plan(op(7))),
    "all at once": trace(plan(op(7), name="a"), plan(op(9), name="b"), plan(op(9), name="b")),
    "two arrivals": trace((plan(op(7)), 0), (plan(op(7)), 5)),
    "no estimates": trace((plan(op(7)), 0), (plan(op(7)), 5), tenant="x"),
    "a microsecond apart, late": trace((plan(op(7)), 10**15 - 1), (plan(op(7)), 10**15)),
    "names that are no formulas": trace(
        (plan(op(7), name="$^_$"), 0), (plan(op(9), name="_[/b]"), 5), query_class="_$^$\n"
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_trace_is_described_and_drawn(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    traces.write(KINDS[name], tmp_path / "x.jsonl")
    assert main(["describe", str(tmp_path / "x.jsonl"), "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 100 for line in out.splitlines())
    figures = json.loads((tmp_path / "out" / "describe.json").read_text())
    assert figures["num_queries"] == len(KINDS[name].queries)
    assert (figures["arrivals"] is None) == (KINDS[name].queries[-1].arrival_us == 0)
    assert "none recorded" in out
    assert (tmp_path / "out" / "work.png").stat().st_size > 5000


def test_figures_by_hand() -> None:
    # Two tenants; work 4 s and 1 s; one executor-second per second on two executors.
    big = plan(op(*[1_000_000] * 4), name="big")
    small = plan(op(1_000_000), name="small")
    queries = (
        Query(query_id=0, plan="big", arrival_us=0, tenant="a", query_class="load"),
        Query(query_id=1, plan="small", arrival_us=2_000_000, tenant="b", template="b/1"),
        Query(query_id=2, plan="small", arrival_us=4_000_000, tenant="b", template="b/1"),
    )
    figures = describe(Trace(name="t", plans=(big, small), queries=queries), Cluster(1, 2))
    assert figures["work_s"]["mean"] == pytest.approx(2.0)
    assert figures["load"]["mean"] == pytest.approx(2.0 / (2.0 * 2))
    assert figures["templates"] == {
        "count": 2,
        "repetition_rate": pytest.approx(1 / 3),
        "top_10_share": 1.0,
    }
    first, second = figures["groups"]["tenant"]
    assert (first["name"], first["work_share"]) == ("a", pytest.approx(4 / 6))
    assert (second["num_templates"], second["repetition_rate"]) == (1, 0.5)
    assert [group["name"] for group in figures["groups"]["query_class"]] == ["load", ""]


def test_estimates_rank_queries_by_size_too() -> None:
    # Estimated 8 and 2, true 6 and 12; but the second is ten times as large the second time.
    plans = (
        plan(op(6, est_work_order_us=8), name="a"),
        plan(op(12, est_work_order_us=2, output_bytes=5, est_output_bytes=50), name="b"),
    )
    queries = tuple(
        Query(query_id=index, plan=name, arrival_us=index, size_factor=size)
        for index, (name, size) in enumerate([("a", 1.0), ("b", 1.0), ("b", 10.0)])
    )
    figures = describe(Trace(name="t", plans=plans, queries=queries), Cluster())["estimates"]
    assert (figures["work_p50"], figures["output_p90"]) == (pytest.approx((6 + 8 / 6) / 2), 10)
    assert figures["spearman"] == pytest.approx(0.5)  # ranks 2, 1, 3 against 1, 2, 3


def test_estimates_of_equal_queries_have_no_rank(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plans = [plan(op(6, est_work_order_us=8), name=name) for name in "abc"]
    the_trace = trace(*plans)
    assert describe(the_trace, Cluster())["estimates"] == {
        "work_p50": pytest.approx(8 / 6),
        "work_p90": pytest.approx(8 / 6),
        "output_p50": None,
        "output_p90": None,
        "spearman": None,
    }
    traces.write(the_trace, tmp_path / "x.jsonl")
    assert main(["describe", str(tmp_path / "x.jsonl"), "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "operators' work 1.33 / 1.33" in out
    assert "output bytes" not in out
    assert "Spearman" not in out
    json.loads((tmp_path / "out" / "describe.json").read_text(), parse_constant=pytest.fail)


def test_the_shipped_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "tpcds"]) == 0
    out = capsys.readouterr().out
    assert "100, of 99 plans and 1 tenant" in out
    assert "Spearman" in out
    assert "the 15 plans with most work of 99 plans" in out
    assert main(["describe", "tpcds", "--all-plans"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > len(out.splitlines()) + 80


def test_a_plan_operator_by_operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "tpch", "--plan", "q3", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    q3 = traces.load("tpch").plan("q3")
    for index, operator in enumerate(q3.operators):
        assert any(line.split()[:2] == [str(index), operator.kind] for line in out.splitlines())
    assert (tmp_path / "plan.png").exists()
    assert main(["describe", "tpch", "--plan", "q33"]) == 2
    assert "no plan 'q33' in trace 'tpch': there are q1," in capsys.readouterr().err


def test_describing_leaves_the_files_of_a_comparison_alone(tmp_path: Path) -> None:
    compare = ["compare", "ssb", "--schedulers", "fifo", "--seeds", "1", "--no-plots"]
    assert main([*compare, "--out", str(tmp_path)]) == 0
    assert main(["describe", "ssb", "--out", str(tmp_path)]) == 0
    assert {"results.json", "describe.json", "arrivals.png"} <= {p.name for p in tmp_path.iterdir()}


def test_pipelines_have_colours_of_their_own() -> None:
    the_plan = plan(op(1), op(1), op(1), op(1), op(1), edges="0-1 1>2 3-2 2>4")
    first, second, third, fourth, alone = pipeline_colours(the_plan)
    assert first == second != third == fourth
    assert alone not in (first, third)
    figure = plan_graph(the_plan)
    (points,) = figure.axes[0].collections
    drawn = [to_hex(colour).lower() for colour in points.get_facecolor()]
    assert drawn == [colour.lower() for colour in pipeline_colours(the_plan)]


def test_an_edge_that_passes_an_operator_does_not_run_through_it() -> None:
    figure = plan_graph(plan(op(1), op(1), op(1), edges="0>1 1>2 0>2"))
    arrows = [text.arrow_patch for text in figure.axes[0].texts if not text.get_text()]
    assert [type(arrow.get_connectionstyle()).__name__ for arrow in arrows] == [
        "Arc3", "Arc3", "Arc3",
    ]  # fmt: skip
    assert [arrow.get_connectionstyle().rad != 0 for arrow in arrows] == [False, False, True]


def test_a_plan_of_any_size_is_a_figure_that_can_be_opened() -> None:
    star = plan(*[op(1)] * 200, edges=" ".join(f"{index}>199" for index in range(199)))
    figure = plan_graph(star)
    assert max(figure.get_size_inches()) == MAX_INCHES
    assert not any(text.get_text() for text in figure.axes[0].texts), "no room for labels"
    assert "too large for labels" in figure.axes[0].get_title(loc="left")


def test_many_tenants_become_others() -> None:
    queries = tuple(
        Query(query_id=index, plan="p", arrival_us=index, tenant=f"t{index}", size_factor=9 - index)
        for index in range(9)
    )
    the_trace = Trace(name="t", plans=(plan(op(1, count=10), name="p"),), queries=queries)
    names = group_names(the_trace, work_us(the_trace))
    assert len(set(names)) == MAX_GROUPS
    assert names[:2] == ["t0", "t1"]
    assert names[-1] == "others"
