"""Queueing theory: formulas against each other and hand values, simulation against formulas."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from builders import in_order, op, plan, run, spans, trace
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from strategies import RandomScheduler, clusters, traces

import sim
from lsched.cli import main
from lsched.commands import validate_theory
from lsched.errors import OptionError
from lsched.validate import study as study_module
from lsched.validate.meter import Meter
from lsched.validate.queues import TimeSlices
from lsched.validate.recursions import backlogs, crowds, first_come_waits
from lsched.validate.services import CONSTANT, EXPONENTIAL, VARIABLE, Service, hyperexponential
from lsched.validate.study import Row, all_systems, controlled_mean, expectations, study
from lsched.validate.system import System
from lsched.validate.theory import (
    erlang_c,
    erlang_c_wait,
    pollaczek_khinchine_wait,
    processor_sharing_slowdown,
    round_robin_sojourns,
    srpt_sojourn,
)
from sim import Event
from traces import Trace

SERVICES = (CONSTANT, EXPONENTIAL, VARIABLE)

# Formulas


def test_erlang_c_by_hand() -> None:
    # One executor: a query waits if the executor is busy. Two at load 0.5, so one erlang:
    # P(0) = 1/3, P(1) = 1/3, so both are busy with probability 1/3.
    assert erlang_c(1, 0.3) == pytest.approx(0.3)
    assert erlang_c(2, 0.5) == pytest.approx(1 / 3)
    assert erlang_c_wait(2, 0.5) == pytest.approx(1 / 3)
    assert 0 < erlang_c(2_000, 0.9) < 1e-5  # 2000! would overflow


@pytest.mark.parametrize("num_executors", [1, 3, 8, 32])
@pytest.mark.parametrize("load", [0.2, 0.7, 0.95])
def test_erlang_c_is_its_definition(num_executors: int, load: float) -> None:
    offered = num_executors * load
    terms = [offered**k / math.factorial(k) for k in range(num_executors)]
    all_busy = offered**num_executors / math.factorial(num_executors) / (1 - load)
    assert erlang_c(num_executors, load) == pytest.approx(all_busy / (sum(terms) + all_busy))


def test_pollaczek_khinchine_by_hand() -> None:
    # At load 0.5: the executor is busy half of the time, with E[S²] / 2 left on average.
    assert pollaczek_khinchine_wait(CONSTANT, 0.5) == pytest.approx(0.5)
    assert pollaczek_khinchine_wait(EXPONENTIAL, 0.5) == pytest.approx(1.0)
    assert pollaczek_khinchine_wait(VARIABLE, 0.5) == pytest.approx(2.5)
    for load in (0.1, 0.5, 0.9):
        single = erlang_c_wait(1, load)
        assert pollaczek_khinchine_wait(EXPONENTIAL, load) == pytest.approx(single)


@pytest.mark.parametrize("service", [EXPONENTIAL, VARIABLE, hyperexponential(16.0)])
def test_services_are_what_they_say(service: Service) -> None:
    def moment(order: int, end: float) -> float:
        return float(quad(lambda t: t**order * service.density(t), 0, end, limit=500)[0])

    assert moment(0, math.inf) == pytest.approx(1.0)
    assert moment(1, math.inf) == pytest.approx(1.0)
    assert moment(2, math.inf) == pytest.approx(service.second_moment)
    for time in (0.1, 1.0, 7.0):
        assert 1 - moment(0, time) == pytest.approx(service.survival(time))
        assert moment(1, time) == pytest.approx(service.first_moment_below(time))
        assert moment(2, time) == pytest.approx(service.second_moment_below(time))
    drawn = service.draw(np.random.default_rng(0), 200_000)
    assert drawn.mean() == pytest.approx(1.0, abs=5 * math.sqrt(service.squared_variation / 2e5))
    for time in (0.5, 2.0):
        assert (drawn > time).mean() == pytest.approx(service.survival(time), abs=0.006)


def test_impossible_services_are_refused() -> None:
    with pytest.raises(ValueError, match="squared_variation is 1"):
        hyperexponential(1.0)
    with pytest.raises(ValueError, match="'constant' has no density"):
        CONSTANT.density(1.0)


def test_shortest_remaining_first_where_queries_rarely_meet() -> None:
    # At a small load λ at most two queries meet. First in first out the second one waits for what
    # is left of the first, λ E[S²] / 2 = λ. Shortest first the shorter of the two is never held
    # up and the longer one waits for it. With exponential sizes what is left of the first is
    # exponential again, so the wait is min(X, Y), with a mean of 1/2 instead of 1: λ / 2.
    load = 1e-4
    assert (srpt_sojourn(EXPONENTIAL, load) - 1) / load == pytest.approx(0.5, rel=1e-3)
    assert pollaczek_khinchine_wait(EXPONENTIAL, load) / load == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("service", [EXPONENTIAL, VARIABLE])
@pytest.mark.parametrize("load", [0.3, 0.7, 0.95])
def test_shortest_remaining_first_is_better_than_the_others(service: Service, load: float) -> None:
    sojourn = srpt_sojourn(service, load)
    assert 1 < sojourn < processor_sharing_slowdown(load)
    assert sojourn < 1 + pollaczek_khinchine_wait(service, load)


def test_round_robin_with_one_slice_a_query_is_first_in_first_out() -> None:
    (sojourn,) = round_robin_sojourns(np.array([1.0]), 0.7)
    assert sojourn == pytest.approx(1 + pollaczek_khinchine_wait(CONSTANT, 0.7))


@pytest.mark.parametrize("load", [0.3, 0.8])
def test_round_robin_without_memory_is_as_good_as_first_in_first_out(load: float) -> None:
    # If every slice is the last one with the same probability, all queries look alike, so it does
    # not matter for the number in the system which is next, nor, by Little's law, for the mean.
    go_on = 0.8
    more = go_on ** np.arange(150)
    shares = np.append(-np.diff(more), more[-1])
    mean, square = 1 / (1 - go_on), (1 + go_on) / (1 - go_on) ** 2
    first_come = mean + load / mean * square / (2 * (1 - load))
    assert shares @ round_robin_sojourns(more, load) == pytest.approx(first_come)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("load", [0.5, 0.7])
def test_round_robin_with_small_slices_is_processor_sharing(service: Service, load: float) -> None:
    shared = processor_sharing_slowdown(load)
    errors = []
    for slice_size in (0.2, 0.1, 0.05):
        more = System("slices", service, load, slice_size=slice_size).more_slices()
        sojourns = round_robin_sojourns(more, load)
        slowdowns = sojourns / np.arange(1, len(more) + 1)
        errors.append(shared - slowdowns[round(1 / slice_size) - 1])  # of a query of mean size
    assert errors[0] > errors[1] > errors[2] > 0
    assert 2 * errors[2] - errors[1] == pytest.approx(0, abs=0.02)  # in proportion to the slice


# The systems that are simulated


def test_recursions_by_hand() -> None:
    # Arrivals at 0, 1, 2; each takes 3 on one executor, so they start at 0, 3 and 6.
    assert first_come_waits([0, 1, 2], [3, 3, 3], 1) == [0, 2, 4]
    assert first_come_waits([0, 1, 2, 9], [3, 3, 3, 1], 2) == [0, 0, 1, 0]
    arrivals, sizes = np.array([0.0, 1, 2, 9, 9.5]), np.array([3.0, 3, 3, 1, 1])
    assert backlogs(arrivals, sizes, 1.0).tolist() == [0, 2, 4, 0, 0.5]
    assert backlogs(arrivals, sizes, 2.0).tolist() == [0, 0.5, 1, 0, 0]
    assert crowds(arrivals, sizes).tolist() == [0, 1, 2, 0, 1]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 30)), min_size=1, max_size=25),
    st.integers(1, 4),
)
def test_first_in_first_out_waits_are_those_of_the_recursion(
    gaps_and_sizes: list[tuple[int, int]], num_executors: int
) -> None:
    arrivals_us = np.cumsum([gap for gap, _ in gaps_and_sizes]).tolist()
    sizes_us = [size for _, size in gaps_and_sizes]
    submissions = [
        (plan(op(size), name=f"size {size}"), arrival)
        for size, arrival in zip(sizes_us, arrivals_us, strict=True)
    ]
    simulation = run(trace(*submissions), executors_per_node=num_executors)
    starts = {query: start for query, _, _, start, _ in spans(simulation)}
    waits = [starts[query] - arrival for query, arrival in enumerate(arrivals_us)]
    assert waits == first_come_waits(arrivals_us, sizes_us, num_executors)


def test_time_slices_by_hand() -> None:
    # Slices of 10. Query 0 (3 slices) is alone until 1 (2) comes at 5: at 10 it goes behind it.
    # Query 2 (1) comes at 12, behind 0.
    sizes = [(3, 0), (2, 5), (1, 12)]
    submissions = [(plan(op(10, count=n), name=f"{n}"), arrival) for n, arrival in sizes]
    simulation = run(trace(*submissions), TimeSlices(10).decide, executors_per_node=1)
    order = [(query, start) for query, _, _, start, _ in spans(simulation)]
    assert order == [(0, 0), (1, 10), (0, 20), (2, 30), (1, 40), (0, 50)]


def test_queries_that_arrive_together_take_turns() -> None:
    the_plan = plan(op(10, count=2))
    simulation = run(trace(the_plan, the_plan), TimeSlices(10).decide, executors_per_node=1)
    assert [query for query, *_ in spans(simulation)] == [0, 1, 0, 1]


def test_every_system_has_expectations_and_a_load_below_one() -> None:
    systems = all_systems()
    assert len(set(systems)) == len(systems)
    for system in systems:
        assert 0 < system.load < 1
        assert all(0 < value < 100 for value in expectations(system).values())


# Statistics


def test_controls_take_luck_away() -> None:
    generator = np.random.default_rng(0)
    control, noise = generator.normal(size=(2, 30))
    values = 5 + control + 0.01 * noise
    plain = controlled_mean(values.tolist(), np.zeros((30, 1)))  # never changes: left out
    sem = float(stats.sem(values))
    assert plain.half_width == pytest.approx(stats.t.ppf(0.995, 29) * sem)
    assert plain.mean == pytest.approx(values.mean())
    helped = controlled_mean(values.tolist(), control[:, None])
    assert helped.mean == pytest.approx(5, abs=helped.half_width)
    assert helped.half_width < 0.02 * plain.half_width


def test_intervals_contain_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        controls = generator.normal(size=(12, 2))
        values = 3 + controls @ [1.0, -2.0] + generator.normal(size=12)
        interval = controlled_mean(values.tolist(), controls)
        hits += abs(interval.mean - 3) <= interval.half_width
    assert 390 <= hits <= 399


# Simulation against theory

QUICK = [
    System("fifo", EXPONENTIAL, 0.5),
    System("fifo", EXPONENTIAL, 0.7, 2),
    System("fifo", EXPONENTIAL, 0.9, 8),
    System("fifo", VARIABLE, 0.5),
    System("srpt", EXPONENTIAL, 0.7, slice_size=1 / 40),
    System("slices", CONSTANT, 0.7, slice_size=1 / 4),
    System("slices", EXPONENTIAL, 0.5, slice_size=1 / 10),
]


def label(system: System) -> str:
    return f"{system.rule}-{system.service.name[:3]}-{system.load}-{system.num_executors}"


@pytest.mark.slow
@pytest.mark.parametrize("system", QUICK, ids=label)
def test_simulated_means_are_what_theory_says(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_module, "NUM_QUERIES", {0.5: 600, 0.7: 700, 0.9: 800})
    result = study([system], replications=16)
    main_row = result.rows[0]
    assert main_row.simulated.half_width < 0.1 * main_row.theory  # else it could not fail
    assert [row for row in result.rows if not row.is_inside] == []
    assert result.num_little == result.num_runs == 16
    assert result.num_exact == result.num_first_come == (16 if system.rule == "fifo" else 0)
    (usage,) = result.utilizations.values()
    assert usage.half_width < 0.05
    assert usage.mean == pytest.approx(system.load, abs=usage.half_width)


def test_the_comparison_notices_a_wrong_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Last in first out has the same mean wait, but not query by query."""

    class LastIn:
        def decide(self, view: sim.ClusterView) -> list[sim.Allocation]:
            return in_order()(view)[::-1]

    monkeypatch.setattr("lsched.validate.queues.make_scheduler", lambda _: LastIn())
    monkeypatch.setattr(study_module, "NUM_QUERIES", {0.7: 300})
    result = study([System("fifo", CONSTANT, 0.7)], replications=12)
    assert (result.num_exact, result.num_first_come, result.num_little) == (0, 12, 12)


def test_the_number_of_workers_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    systems = [System("fifo", EXPONENTIAL, 0.5), System("slices", CONSTANT, 0.5, slice_size=0.5)]
    one, two = (study(systems, replications=12, length=0.1, workers=n) for n in (1, 2))
    assert one == two
    assert study(systems, replications=12, length=0.1, seed=1) != one


def test_too_few_replications_are_refused() -> None:
    with pytest.raises(OptionError, match="replications is 3, expected at least 12"):
        study([System("fifo", CONSTANT, 0.5)], replications=3)
    with pytest.raises(OptionError, match="workers is 0"):
        study([System("fifo", CONSTANT, 0.5)], workers=0)


# Little's law on anything


@settings(max_examples=100)
@given(traces(), clusters(), st.integers(0, 2**32))
def test_time_integral_of_queries_in_the_system_is_the_sum_of_latencies(
    the_trace: Trace, cluster: sim.Cluster, policy_seed: int
) -> None:
    result = sim.simulate(
        the_trace, RandomScheduler(policy_seed), cluster=cluster, record_events=True
    )
    assert result.events is not None
    meter = Meter()
    meter.read(result.events)
    assert meter.integral_us == sum(round(query.latency_s * 1e6) for query in result.queries)


def test_the_meter_by_hand() -> None:
    always, window = Meter(), Meter(4, 12)
    for meter in (always, window):
        meter.read([Event(0, "arrive", 0), Event(0, "start", 0), Event(4, "arrive", 1)])
        meter.read([Event(6, "finish", 0), Event(6, "complete", 0), Event(9, "start", 1)])
        meter.read([Event(14, "arrive", 2)])
        # One query until 4, two until 6, one until 14.
        assert meter.integral_us == 4 + 2 * 2 + 8
    assert always.busy_us == 6 + 5
    assert window.busy_us == 2 + 3


# The command


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    systems = [system for system in QUICK if system.load == 0.5]
    monkeypatch.setattr(validate_theory, "all_systems", lambda: systems)
    words = ["validate", "theory", "--quick", "--replications", "12", "--workers", "1"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "M/M/1 RR" in text
    assert "…" not in text
    assert f"in {12 * len(systems)} of {12 * len(systems)} runs" in text
    assert (tmp_path / "out" / "theory.png").stat().st_size > 10_000
    found = json.loads((tmp_path / "out" / "theory.json").read_text())
    assert len(found["utilization"]) == len(systems)
    assert {row["figure"] for row in found["rows"]} >= {"wait", "sojourn", "slowdown 0–0.5"}
    assert main(["validate", "theory", "--replications", "2"]) == 2
    assert "replications is 2" in capsys.readouterr().err


def test_rows_know_whether_they_are_inside() -> None:
    system = System("fifo", CONSTANT, 0.5)
    row = Row(system, "wait", 2.0, study_module.Interval(2.1, 0.1001))
    assert row.is_inside
    assert row.difference == pytest.approx(0.05)
    assert not Row(system, "wait", 2.0, study_module.Interval(2.1, 0.09)).is_inside
