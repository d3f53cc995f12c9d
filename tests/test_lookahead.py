"""What would follow from a schedule, the scheduler that asks, and the times that runs show."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

import sim
import traces
from lsched.check import dependence
from lsched.check.situations import situation
from lsched.check.subject import Subject
from lsched.cli import main
from lsched.errors import OptionError
from lsched.lookahead import Lookahead
from lsched.observe import observed
from sim import Cluster, Schedule, Scheduler, Simulation
from sim.fast_engine.engine import FastEngine
from sim.schedulers.priced import Priced
from tests.builders import op, plan, trace
from traces import Trace
from traces.model import Operator, Wave

STICKY = Cluster(executors_per_node=4, release="pipeline", move_delay_us=2_000, warm_up_us=1_000)
SCARCE = Cluster(
    num_nodes=2, executors_per_node=2, memory_bytes=1_000, move_delay_us=500, release="pipeline"
)


def noisy(count: int, mean_us: int, seed: int, **fields: object) -> Operator:
    """An operator whose times vary."""
    times = np.random.default_rng(seed).gamma(4.0, mean_us / 4.0, count)
    return op(*np.maximum(times, 1).astype(int).tolist(), est_work_order_us=mean_us, **fields)


def arriving(run: Trace, gap_us: int, num_queries: int, seed: int = 0) -> Trace:
    """Queries that are alike, at random times."""
    return traces.poisson_arrivals(
        run, num_queries, seed=seed, interval_us=gap_us, size_sd=0.0, time_sd=0.0
    )


def workload(num_queries: int = 12, seed: int = 0, state_bytes: int = 0) -> Trace:
    """Queries whose plans have several operators that may run at the same time."""
    size = {"state_bytes": state_bytes, "est_state_bytes": state_bytes // 2}
    wide = plan(
        *(noisy(6, 4_000, at, **size) for at in range(3)),
        noisy(1, 9_000, 3, **size),
        noisy(3, 2_000, 4, **size),
        edges="0>3 1>3 2>4 3>4",
        name="wide",
    )
    long = plan(
        *(noisy(2, 6_000, 5 + at, **size) for at in range(4)), edges="0>1 1>2 2>3", name="long"
    )
    return arriving(trace(wide, long), 8_000, num_queries, seed)


def at_event(
    run: Trace, cluster: Cluster, number: int, seed: int = 0, rule: Scheduler | None = None
) -> Simulation:
    """A simulation under ``priced`` or another rule at its so many-th scheduling event."""
    simulation = Simulation(run, cluster, seed, record_events=True, engine="fast")
    for _ in range(number):
        view = simulation.next_event()
        assert view is not None
        simulation.apply((rule or Priced()).decide(view))
    assert simulation.next_event() is not None
    return simulation


def outcomes_of(simulation: Simulation, seen: Trace | None = None, runs: int = 3) -> sim.Outcomes:
    """Of what the rule does, and of doing nothing."""
    schedules = [Priced().decide(simulation.view), Schedule(())]
    return sim.outcomes(simulation.view, schedules, Priced(), seen=seen, runs=runs)


def test_where_nothing_is_uncertain_it_is_what_happens() -> None:
    known = plan(op(3_000, count=5), op(2_000, count=3), op(7_000), edges="0>1 0>2", name="known")
    run = trace(known, known, known)
    simulation = at_event(run, STICKY, 0)
    found = sim.outcomes(simulation.view, [Priced().decide(simulation.view)], Priced(), seen=run)
    result = sim.simulate(run, Priced(), cluster=STICKY)
    total_us = sum(record.latency_s for record in result.queries) * 1e6
    assert found.left_us == pytest.approx(np.full((8, 1), total_us))
    busy_us = sum(record.work_s + record.delay_s for record in result.queries) * 1e6
    assert found.executor_us == pytest.approx(np.full((8, 1), busy_us))


@pytest.mark.parametrize("cluster", [STICKY, SCARCE])
def test_asking_changes_nothing(cluster: Cluster) -> None:
    run = workload(state_bytes=400)
    asked, other = (Simulation(run, cluster, 1, record_events=True, engine="fast") for _ in "ab")
    for simulation in (asked, other):
        while (view := simulation.next_event()) is not None:
            if simulation is asked:
                outcomes_of(asked)
            simulation.apply(Priced().decide(view))
    assert sim.digest(asked.events or []) == sim.digest(other.events or [])


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("cluster", [STICKY, SCARCE])
@pytest.mark.parametrize("number", [3, 9, 20])
def test_what_nobody_knows_does_not_matter(cluster: Cluster, number: int, seen: bool) -> None:
    """Other luck, other sizes of what is being built, other arrivals: the same outcomes (R10)."""
    run = workload(state_bytes=400)
    simulation = at_event(run, cluster, number)
    before = outcomes_of(simulation, run if seen else None)
    assert np.isfinite(before.left_us[:, 0]).all()
    engine = simulation.engine
    assert isinstance(engine, FastEngine)
    world = engine.world
    operators = world.operators
    is_open = (operators["is_complete"] == 0) & (operators["num_work_orders"] > 0)
    world.times[:] = 1 + world.times[::-1]
    operators["state_bytes"][is_open] += 77
    operators["output_bytes"][is_open] += 77
    is_growing = is_open & (operators["grant_bytes"] > 0)
    operators["grant_bytes"][is_growing] += 77
    world.queries["time_factor"] *= 3.0
    world.arrivals["arrival_us"] += 12_345
    world.arrivals["time_factor"] *= 3.0
    later_us = 1_000 * (1 + np.arange(len(world.executors)))
    world.executors["duration_us"] += later_us  # begun when it was, but ends later
    world.armed["end_us"] += later_us[world.armed["executor"]]
    after = outcomes_of(simulation, run if seen else None)
    assert np.array_equal(before.left_us, after.left_us)
    assert np.array_equal(before.executor_us, after.executor_us)


@pytest.mark.parametrize("limits", [{"intermediate_bytes_per_s": 10**6}, {"memory_bytes": 1_000}])
def test_bytes_of_what_has_begun_do_not_matter(limits: dict[str, object]) -> None:
    """Costs of a pipeline are worked out from its true sizes when it starts; nobody knows them."""
    cluster = Cluster(executors_per_node=4, **limits)  # type: ignore[arg-type]
    rule, found = Priced(pipeline="never"), []
    for true_bytes in (400, 90_000):
        size = {"state_bytes": true_bytes, "output_bytes": true_bytes}
        known = {"est_state_bytes": 500, "est_output_bytes": 500}
        fused = plan(
            op(50_000, count=9, **size, **known), op(4_000, count=6, **size, **known), edges="0-1"
        )
        simulation = at_event(trace(*((fused, 100 * at) for at in range(4))), cluster, 2, 0, rule)
        assert simulation.view.num_free < 4
        answers = [rule.decide(simulation.view)]
        found.append(sim.outcomes(simulation.view, answers, rule, runs=3))
    assert np.array_equal(found[0].left_us, found[1].left_us)
    assert np.array_equal(found[0].executor_us, found[1].executor_us)


def test_after_losses_too_schedules_come_to_an_end() -> None:
    cluster = Cluster(num_nodes=2, executors_per_node=8, node_mtbf_us=30_000, mean_repair_us=5_000)
    simulation = Simulation(workload(30), cluster, 1, record_events=True, engine="fast")
    num_after = 0
    while (view := simulation.next_event()) is not None:
        answer = Priced().decide(view)
        lost = [event for event in simulation.events or [] if event.kind == "lose"]
        if lost and lost[-1].time_us == view.now_us:
            found = sim.outcomes(view, [answer], Priced(), runs=2)
            assert np.isfinite(found.left_us).all()
            num_after += 1
        simulation.apply(answer)
    assert num_after


def test_many_schedules_are_tried_in_portions() -> None:
    simulation = at_event(workload(), STICKY, 5)
    answer = Priced().decide(simulation.view)
    found = sim.outcomes(simulation.view, [answer, Schedule(())] * 70, Priced(), runs=2)
    assert found.left_us.shape == (2, 140)
    assert np.array_equal(found.left_us, np.tile(found.left_us[:, :2], 70))
    assert np.array_equal(found.executor_us[:, ::2], np.tile(found.executor_us[:, :1], 70))
    (operator, *_) = simulation.view.queries[0].schedulable
    long = [sim.Allocation(operator, 1)] * 2_000
    assert np.isfinite(sim.outcomes(simulation.view, [long], Priced(), runs=1).left_us).all()


def test_guesses_are_the_same_for_all_schedules_and_differ_between_runs() -> None:
    simulation = at_event(workload(), STICKY, 5)
    answer = Priced().decide(simulation.view)
    found = sim.outcomes(simulation.view, [answer, answer], Priced(), runs=4)
    assert np.array_equal(found.left_us[:, 0], found.left_us[:, 1])
    assert len(set(found.left_us[:, 0].tolist())) == 4
    other = sim.outcomes(simulation.view, [answer], Priced(), runs=4, seed=1)
    assert set(found.left_us[:, 0].tolist()).isdisjoint(other.left_us[:, 0].tolist())


def test_a_schedule_that_never_ends_costs_infinitely_much() -> None:
    simulation = at_event(workload(), STICKY, 0)
    found = outcomes_of(simulation)
    assert np.isfinite(found.left_us[:, 0]).all()
    assert np.isinf(found.left_us[:, 1]).all()


def test_errors_say_what_is_wrong() -> None:
    run = workload()
    simulation = at_event(run, STICKY, 1)
    answer = Priced().decide(simulation.view)
    with pytest.raises(ValueError, match="not a rule that the compiled engine can follow"):
        sim.outcomes(simulation.view, [answer], Lookahead())
    other = trace(plan(op(1), name="wide"))
    with pytest.raises(
        ValueError, match="plan wide has 5 operators, and 1 where its times were seen"
    ):
        sim.outcomes(simulation.view, [answer], Priced(), seen=other)
    slow = Simulation(run, STICKY, engine="simpy")
    view = slow.next_event()
    assert view is not None
    with pytest.raises(sim.OnlyFast, match="only the engine 'fast' can say"):
        sim.outcomes(view, [Priced().decide(view)], Priced())
    blocked = simulation.view.queries[0].operators[-1]
    with pytest.raises(sim.InvalidSchedule):
        sim.outcomes(simulation.view, [[sim.Allocation(blocked, 1)]], Priced())
    with pytest.raises(ValueError, match="expected one schedule or more"):
        sim.outcomes(simulation.view, [], Priced())
    with pytest.raises(ValueError, match="runs is 0, expected a whole number"):
        sim.outcomes(simulation.view, [answer], Priced(), runs=0)
    with pytest.raises(ValueError, match=r"runs is 2\.5, expected a whole number"):
        Lookahead(runs=2.5)  # type: ignore[arg-type]


def mean_latency_s(run: Trace, scheduler: object, cluster: Cluster, seed: int) -> float:
    return sim.simulate(run, scheduler, cluster=cluster, seed=seed).summary()["mean_latency_s"]  # type: ignore[arg-type]


def test_looking_ahead_sees_what_its_rule_does_not() -> None:
    """The rule goes by the work on a path; here what has less of it takes longer."""
    chain = [op(10_000) for _ in range(4)]
    both = plan(op(2_000, count=40), *chain, edges="1>2 2>3 3>4", name="both")
    run = arriving(trace(both), 100_000, 12)
    rule = Priced(weight=2.0, slowdown=0.005, size="history")
    own = mean_latency_s(run, rule, STICKY, 0)
    assert mean_latency_s(run, Lookahead(), STICKY, 0) < 0.9 * own


def test_caution_leaves_the_decision_to_the_rule() -> None:
    run = workload(20)
    rule = Priced(weight=2.0, slowdown=0.005, size="history")
    careful = Lookahead(caution=1e6)
    results = [
        sim.simulate(run, each, cluster=STICKY, record_events=True) for each in (rule, careful)
    ]
    assert sim.digest(results[0].events or []) == sim.digest(results[1].events or [])


@pytest.mark.parametrize("cluster", [SCARCE, Cluster(executors_per_node=4)])
def test_it_decides_on_any_cluster_and_always_likewise(cluster: Cluster) -> None:
    run = workload(state_bytes=400)
    digests = {
        sim.digest(
            sim.simulate(run, Lookahead(runs=2), cluster=cluster, record_events=True).events or []
        )
        for _ in range(2)
    }
    assert len(digests) == 1


PROFILE = (
    Wave(1, fresh=(9_000,), first=(5_000,), rest=(3_000,)),
    Wave(4, fresh=(9_000,), first=(5_000,), rest=(3_000,)),
)


def profiled(num_queries: int = 20) -> Trace:
    stages = (op(3_000, count=9, waves=PROFILE), op(3_000, count=4, waves=PROFILE))
    never = plan(op(1_234), name="never")
    run = arriving(trace(plan(*stages, edges="0>1", name="stages")), 40_000, num_queries, 0)
    return msgspec.structs.replace(run, plans=(*run.plans, never))


def test_runs_show_a_profile() -> None:
    run = profiled()
    seen = observed(run, [run], STICKY, ["priced"], [3])
    stages, never = seen.plans
    for operator in stages.operators:
        for wave in operator.waves:
            assert set(wave.fresh) <= {9_000}
            assert set(wave.first) <= {5_000}
            assert set(wave.rest) <= {3_000}
        assert any(wave.fresh for wave in stages.operators[0].waves)
    assert any(wave.rest for wave in stages.operators[0].waves)
    assert never.operators[0].work_order_us == (1_234,)
    assert seen.queries == run.queries


def test_runs_show_how_times_depend_on_executors() -> None:
    """Times of 1 ms per executor are found again, wherever there are enough of them."""
    waves = tuple(
        Wave(count, first=(1_000 * count,), rest=(1_000 * count,), fresh=(1_000 * count,))
        for count in (1, 2, 3, 4)
    )
    run = arriving(trace(plan(op(1_000, count=40, waves=waves))), 60_000, 40, 0)
    schedulers = [f"srpt:cap={cap}" for cap in (0.25, 0.5, 1)]
    (operator,) = observed(run, [run] * 3, STICKY, schedulers, [0, 1, 2]).plans[0].operators
    counts = [wave.num_executors for wave in operator.waves]
    assert len(counts) > 1
    for wave in operator.waves:
        assert np.mean(wave.rest) == pytest.approx(1_000 * wave.num_executors, rel=0.35)


MOVES = {"move_delay_us": 2_000, "move_across_delay_us": 700, "release": "pipeline"}


@pytest.mark.parametrize(
    "cluster",
    [
        Cluster(num_nodes=4, executors_per_node=2, **MOVES),  # type: ignore[arg-type]
        Cluster(executors_per_node=4, node_mtbf_us=90_000, mean_repair_us=9_000, **MOVES),  # type: ignore[arg-type]
    ],
)
def test_moves_are_no_part_of_times(cluster: Cluster) -> None:
    """To a node that is new to the query a move takes another time; who was away has forgotten."""
    run = profiled(60)
    seen = observed(run, [run], cluster, ["priced"], [3])
    for operator in seen.plans[0].operators:
        for wave in operator.waves:
            assert set(wave.fresh) <= {9_000}
            assert set(wave.first) <= {5_000}
            assert set(wave.rest) <= {3_000}


def test_what_logs_do_not_tell_apart_cannot_be_observed() -> None:
    fused = trace(plan(op(1), op(1), edges="0-1"))
    with pytest.raises(OptionError, match="run in one pipeline"):
        observed(fused, [fused], STICKY, ["fair"], [0])
    run = profiled()
    with pytest.raises(OptionError, match="add work_orders_per_batch=1 to the cluster"):
        observed(run, [run], Cluster(work_orders_per_batch=8), ["fair"], [0])
    with pytest.raises(OptionError, match="2 schedulers need as many seeds, got 1"):
        observed(run, [run], STICKY, ["fair", "fifo"], [0])


def test_a_scheduler_brings_what_it_has_seen(tmp_path: Path) -> None:
    run = profiled()
    file = tmp_path / "seen.jsonl"
    traces.write(observed(run, [run], STICKY, ["priced"], [0]), file)
    scheduler = Lookahead(str(file))
    known = scheduler.experience(run, STICKY)
    means_us = [known.plans["stages"].mean_recorded_us(at) for at in range(2)]
    assert all(3_000 < mean_us < 9_000 for mean_us in means_us)
    assert scheduler.files == (file,)
    assert Lookahead().experience(run, STICKY).plans == {}


def test_times_of_other_plans_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "seen.jsonl"
    traces.write(profiled(), file)
    with pytest.raises(traces.TraceError, match="no plan of the trace was seen"):
        Lookahead(str(file)).experience(workload(), STICKY)
    other = trace(plan(op(3_000, count=9), op(3_000, count=5), edges="0>1", name="stages"))
    with pytest.raises(traces.TraceError, match="plan 'stages' has other operators"):
        Lookahead(str(file)).experience(other, STICKY)


def test_it_can_be_checked() -> None:
    """The engine that does not know what follows is not asked."""
    subject = Subject("lookahead:runs=2", None)
    runs = {name: subject.run(situation(name)) for name in ["sticky executors"]}
    assert all(run.problem is None for run in runs.values())
    assert dependence.on_hidden_state(subject, runs)[0] == "ok"
    status, text = dependence.on_engine(subject, runs)
    assert status == "not checked"
    assert "only the engine 'fast' can say" in text


def test_the_command_writes_times_that_a_comparison_reads(tmp_path: Path) -> None:
    run, given, out = profiled(), tmp_path / "given.jsonl", tmp_path / "times.jsonl.gz"
    traces.write(run, given)
    arguments = ["observe", str(given), "--out", str(out), "--interval", "0.04", "--queries", "10"]
    assert main([*arguments, "--seeds", "1000-1002", "--cluster", "spark-50"]) == 0
    assert len(traces.load(out).plans) == 2
    assert json.loads(Path(f"{out}.config.json").read_text())["command"] == "observe"
    schedulers = f"priced,lookahead:times={out}+runs=2"
    compared = ["compare", str(given), "--interval", "0.04", "--queries", "10", "--seeds", "2"]
    where = ["--cluster", "spark-50", "--out", str(tmp_path / "out")]
    assert main([*compared, "--schedulers", schedulers, *where]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(results["schedulers"]) == schedulers.split(",")


def test_the_command_does_not_write_over_what_it_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, times, cluster = (tmp_path / name for name in ("given.jsonl", "times.jsonl", "c.toml"))
    for file in (given, times):
        traces.write(profiled(), file)
    cluster.write_text("num_nodes = 1\n")
    words = ["--schedulers", f"lookahead:times={times}+runs=2", "--cluster", str(cluster)]
    for out in (given, times, cluster):
        before = out.read_bytes()
        assert main(["observe", str(given), *words, "--out", str(out)]) != 0
        assert "is read too" in capsys.readouterr().err
        assert out.read_bytes() == before
