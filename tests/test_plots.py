"""Plots: every one is drawn, says what its axes are, and is right where that can be checked."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from builders import op, plan, trace
from matplotlib.figure import Figure

from lsched import Arrivals, Comparison, OptionError, compare
from lsched.plots import (
    check_format,
    gantt,
    latency_by_load,
    latency_by_plan,
    latency_cdf,
    queries_in_system,
    ratio_to_reference,
    save,
    write_plots,
)
from lsched.plots.gantt import Interval, absences, busy_intervals, readable_window
from lsched.plots.series import mean_in_system, round_up
from lsched.plots.style import tick_values
from lsched.statistics import mean_interval
from sim import Cluster, Event, Outage, simulate
from traces import Trace

SMALL = Cluster(executors_per_node=2)


def small_trace() -> Trace:
    return trace(plan(op(900, 1100, count=3), name="q10"), plan(op(4000, count=4), name="q2"))


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(
        small_trace(),
        ["fifo", "fair", "srpt", "sjf", "random", "oracle-srpt", "hesrpt", "stride", "round-robin"],
        cluster=SMALL,
        arrivals=[Arrivals(load=load, num_queries=10) for load in (0.3, 0.6)],
        seeds=3,
    )


def title(figure: Figure) -> str:
    """All lines of it, however they are broken."""
    return f"{figure.get_suptitle()}\n{figure.axes[0].get_title(loc='left')}"


def labels(figure: Figure) -> tuple[str, str]:
    axes = figure.axes[0]
    return axes.get_xlabel(), axes.get_ylabel()


def test_every_plot_is_drawn(comparison: Comparison, tmp_path: Path) -> None:
    paths = write_plots(comparison, tmp_path)
    names = {path.name for path in paths}
    assert "latency-by-load.png" in names
    for end in ("test-load-0.3", "test-load-0.6"):
        assert {
            f"latency-cdf-{end}.png",
            f"latency-by-plan-{end}.png",
            f"queries-in-system-{end}.png",
            f"ratio-to-reference-{end}.png",
            f"gantt-fair-{end}.png",
        } <= names
    assert {path.name for path in tmp_path.iterdir()} == names
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 5000


@pytest.mark.parametrize(("kind", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_other_formats(comparison: Comparison, tmp_path: Path, kind: str, start: bytes) -> None:
    path = tmp_path / f"x.{kind}"
    save(latency_cdf(comparison, comparison.cases[0]), path)
    assert path.read_bytes().startswith(start)


def test_axes_have_names_and_units(comparison: Comparison) -> None:
    case = comparison.cases[0]
    assert labels(latency_cdf(comparison, case)) == ("latency (ms)", "share of queries")
    assert labels(latency_by_plan(comparison, case)) == ("plan", "latency (ms)")
    x, y = labels(queries_in_system(comparison, case))
    assert x == "time (ms)"
    assert y.startswith("queries in the system")
    x, _ = labels(ratio_to_reference(comparison, case))
    assert "latency of fair" in x
    _, y = labels(latency_by_load(comparison, comparison.cases))
    assert y == "mean latency (ms)"
    slow = trace(plan(op(20_000, 30_000), name="slow"))
    result = simulate(slow, "fifo", cluster=SMALL, record_events=True)
    assert labels(gantt(result)) == ("time (ms)", "executor")


def test_cdf_has_every_scheduler_and_the_limit_and_ends_at_one(comparison: Comparison) -> None:
    axes = latency_cdf(comparison, comparison.cases[0]).axes[0]
    assert len(axes.lines) == 10
    styles = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len(styles) == 10
    limit = np.asarray(axes.lines[-1].get_xdata())
    for line in axes.lines[:-1]:
        assert (np.asarray(line.get_xdata()) >= limit * (1 - 1e-12)).all()
    for line in axes.lines:
        shares = np.asarray(line.get_ydata())
        assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_every_title_says_what_was_run(comparison: Comparison) -> None:
    case = comparison.cases[0]
    for draw in (latency_cdf, latency_by_plan, queries_in_system, ratio_to_reference):
        first = title(draw(comparison, case)).splitlines()[0]
        assert first == "test, load 0.3, custom cluster, 3 seeds × 10 queries"
    first = title(latency_by_load(comparison, comparison.cases)).splitlines()[0]
    assert first == "test, loads 0.3, 0.6, custom cluster, 3 seeds × 10 queries"


def test_plots_of_some_schedulers_say_so(comparison: Comparison) -> None:
    case = comparison.cases[0]
    figure = latency_by_plan(comparison, case)
    assert "fair and the best 3 others of 9 schedulers" in title(figure)
    figure = queries_in_system(comparison, case)
    assert len(figure.axes[0].lines) == 5
    assert "seed 0 only; fair, the best 3 others and the worst of 9 schedulers" in title(figure)


def test_one_query_is_visible(tmp_path: Path) -> None:
    one = compare(trace(plan(op(900, name="scan"))), ["fifo", "fair"], cluster=SMALL, seeds=1)
    case = one.cases[0]
    boxes = latency_by_plan(one, case).axes[0]
    assert [list(np.asarray(line.get_ydata())) for line in boxes.lines] == [[900.0]] * 2
    low, high = boxes.get_ylim()
    assert low < 900 < high
    for line in latency_cdf(one, case).axes[0].lines:
        assert list(np.asarray(line.get_ydata())) == [0.0, 1.0]
    assert "1 seed × 1 query" in title(ratio_to_reference(one, case))
    assert write_plots(one, tmp_path)


def test_five_queries_that_differ_have_a_box(comparison: Comparison) -> None:
    figure = latency_by_plan(comparison, comparison.cases[0])
    assert "whiskers: 5 to 95 %" in title(figure)
    assert len(figure.axes[0].patches) == 8  # two plans, four schedulers


def test_intervals_by_load_are_not_cut(comparison: Comparison) -> None:
    left = latency_by_load(comparison, comparison.cases).axes[0]
    ends = [container.lines[2][0].get_segments() for container in left.containers[:-1]]
    for name, segments in zip(comparison.schedulers, ends, strict=True):
        for case, segment in zip(comparison.cases, segments, strict=True):
            runs = case.outcomes[name].runs
            _, low, high = mean_interval([1e3 * run.summary["mean_latency_s"] for run in runs])
            assert list(segment[:, 1]) == pytest.approx([low, high])
            assert left.get_ylim()[0] <= segment[0, 1]
    first = [segments[0][0, 0] for segments in ends]
    assert len(set(first)) == len(first)  # beside each other


@pytest.mark.parametrize(("span", "rounded"), [(0.0034, 0.005), (0.005, 0.005), (7.0, 10.0)])
def test_spans_are_round(span: float, rounded: float) -> None:
    assert round_up(span) == pytest.approx(rounded)


def test_plans_are_in_the_order_of_their_numbers(comparison: Comparison) -> None:
    axes = latency_by_plan(comparison, comparison.cases[0]).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["q2", "q10"]


def test_queries_in_system_by_hand() -> None:
    # Two queries of two work orders of 10 ms, one executor, arrivals at 0 and 10 ms: the first
    # is in the system from 0 to 20 ms, the second from 10 to 40 ms.
    two = trace((plan(op(10_000, 10_000)), 0), (plan(op(10_000, 10_000)), 10_000))
    result = simulate(two, "fifo", cluster=Cluster(executors_per_node=1))
    means = mean_in_system(result.queries, np.array([0.0, 0.01, 0.02, 0.04, 0.05]))
    assert means == pytest.approx([1.0, 2.0, 1.0, 0.0])


def test_mean_in_system_is_littles_law(comparison: Comparison) -> None:
    run = comparison.cases[0].outcomes["fair"].runs[0]
    end_s = max(query.completion_s for query in run.queries)
    (mean,) = mean_in_system(run.queries, np.array([0.0, end_s]))
    total = sum(query.latency_s for query in run.queries)
    assert mean * end_s == pytest.approx(total)


def test_busy_intervals_join_tasks_of_one_query() -> None:
    def task(kind: str, time_us: int, query: int, executor: int) -> Event:
        return Event(time_us, kind, query, 0, 0, executor, 1)  # type: ignore[arg-type]

    events = [
        task("start", 0, 7, 0),
        task("start", 0, 7, 1),
        task("finish", 5, 7, 0),
        task("start", 5, 7, 0),
        task("finish", 8, 7, 1),
        task("start", 8, 9, 1),
        task("finish", 9, 7, 0),
        task("start", 10, 7, 0),
        task("finish", 12, 7, 0),
        task("finish", 12, 9, 1),
    ]
    assert busy_intervals(events) == [
        Interval(0, 7, 0, 9),
        Interval(0, 7, 10, 12),
        Interval(1, 7, 0, 8),
        Interval(1, 9, 8, 12),
    ]


def test_busy_intervals_add_up_to_the_work() -> None:
    result = simulate(small_trace(), "fair", cluster=SMALL, record_events=True)
    assert result.events is not None
    busy_us = sum(each.end_us - each.start_us for each in busy_intervals(result.events))
    assert busy_us == pytest.approx(1e6 * sum(query.work_s for query in result.queries))


def test_window_shows_few_queries() -> None:
    drawn = Arrivals(load=0.7, num_queries=100).of(small_trace(), SMALL, 0)
    result = simulate(drawn, "fair", cluster=SMALL)
    start, end = readable_window(result, num_queries=8)
    present = sum(q.start_s < end and q.completion_s > start for q in result.queries)
    assert 6 <= present <= 9


def test_gantt_tells_queries_of_one_plan_apart() -> None:
    twice = plan(op(10_000, name="a"), name="q1")
    three = trace(twice, twice, plan(op(10_000, name="b"), name="q2"))
    figure = gantt(
        simulate(three, "fifo", cluster=Cluster(executors_per_node=100), record_events=True)
    )
    assert {text.get_text() for text in figure.axes[0].texts} == {"q1 #0", "q1 #1", "q2"}
    assert figure.axes[0].get_ylim()[0] < 64
    assert "only the first 64 of 100 executors" in title(figure)
    assert "the whole run; 3 queries" in title(figure)
    assert title(figure).startswith("fifo: test, custom cluster, 3 queries")


def test_gantt_of_an_excerpt_says_so() -> None:
    drawn = Arrivals(load=0.7, num_queries=100).of(small_trace(), SMALL, 0)
    result = simulate(drawn, "fair", cluster=SMALL, record_events=True)
    figure = gantt(result, heading="test, load 0.7")
    assert title(figure).startswith("fair: test, load 0.7\nseed 0; excerpt: ")
    assert "of 100 queries" in title(figure)


def test_gantt_needs_events() -> None:
    with pytest.raises(ValueError, match="record_events=True"):
        gantt(simulate(small_trace(), "fifo", cluster=SMALL))


def test_unknown_format() -> None:
    with pytest.raises(OptionError, match="are written as"):
        check_format(Path("x.gif"))
    assert check_format(Path("x.PNG")) == "png"


@pytest.mark.parametrize(("low", "high"), [(0.5, 1.05), (0.98, 1.02), (4, 400), (1, 1e6), (3, 30)])
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    ticks = tick_values(low, high)
    assert 3 <= len(ticks) <= 12
    assert all(0.97 * low <= tick <= 1.03 * high for tick in ticks)


def test_names_that_look_like_formulas_are_drawn_as_they_are(tmp_path: Path) -> None:
    odd = trace(*[plan(op(5_000), name=name) for name in ("$^_$", "_x", "a\nb")])
    comparison = compare(msgspec.structs.replace(odd, name="$x$"), ["fair", "fifo"], seeds=2)
    assert write_plots(comparison, tmp_path)


def test_gantt_shows_who_is_away_and_what_was_lost() -> None:
    cluster = SMALL.replace(
        outages=(Outage(0, 30, executors=(0,)), Outage(1_000, None, executors=(1,)))
    )
    result = simulate(small_trace(), "fair", cluster=cluster, record_events=True)
    assert result.events is not None
    end_us = result.events[-1].time_us
    assert absences(result.events, end_us) == [(0, 0, 30), (1, 1_000, end_us)]
    lost = [event for event in result.events if event.kind == "lose"]
    ends = {(i.executor, i.end_us) for i in busy_intervals(result.events)}
    assert lost
    assert {(event.executor, event.time_us) for event in lost} <= ends
    figure = gantt(result)
    assert sum(bar.get_hatch() is not None for bar in figure.axes[0].patches) == 2
    assert "hatched: not there" in title(figure)


def test_into_axes_of_ones_own(comparison: Comparison) -> None:
    case = comparison.cases[0]
    result = simulate(small_trace(), "fair", cluster=SMALL, record_events=True)
    draws = [
        *(
            partial(draw, comparison, case)
            for draw in (latency_cdf, latency_by_plan, queries_in_system, ratio_to_reference)
        ),
        partial(gantt, result),
    ]
    figure = Figure(figsize=(8, 20), layout="constrained")
    for place, draw in enumerate(draws):
        axes = figure.add_subplot(len(draws), 1, place + 1)
        assert draw(ax=axes) is figure
        assert axes.get_xlabel() == draw().axes[0].get_xlabel()
        assert axes.get_title(loc="left").startswith(("test, load 0.3", "fair: test"))
        assert (axes.get_legend() is not None) == (place < 4)
    assert (figure.get_suptitle(), figure.legends) == ("", [])
    figure.savefig(io.BytesIO())


def test_latencies_by_load_into_two_axes_of_ones_own(comparison: Comparison) -> None:
    figure = Figure(figsize=(10, 8), layout="constrained")
    left, _, right = (figure.add_subplot(1, 3, place) for place in (1, 2, 3))
    assert latency_by_load(comparison, comparison.cases, ax=(left, right)) is figure
    alone = latency_by_load(comparison, comparison.cases)
    for axes, its in zip((left, right), alone.axes, strict=True):
        assert axes.get_xlabel() == alone.get_supxlabel() != ""
        assert axes.get_ylabel() == its.get_ylabel()
        assert len(axes.lines) == len(its.lines)
    assert left.get_title(loc="left").startswith("test, loads 0.3, ")
    assert (left.get_legend() is not None, right.get_legend()) == (True, None)
    assert (figure.get_suptitle(), figure.get_supxlabel(), figure.legends) == ("", "", [])
    figure.savefig(io.BytesIO())
