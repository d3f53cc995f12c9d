"""The Gymnasium environment: contract, rewards, masks, seeds, rendering, errors."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from builders import in_order, op, plan, trace
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import TimeLimit

import sim
from lsched import OptionError
from lsched.gym import ENVIRONMENT_ID, Flat, QueryScheduling
from lsched.gym.environment import Info
from lsched.gym.observation import Observation
from lsched.gym.render import so_far
from lsched.learn.features import OPERATOR_FEATURES
from lsched.plots.gantt import busy_intervals
from traces import Trace, TraceError

on_both_engines = pytest.mark.usefixtures("engine")

IS_SCHEDULABLE = [feature.name for feature in OPERATOR_FEATURES].index("is_schedulable")
SMALL: dict[str, Any] = {
    "trace": "tpch",
    "cluster": "inmemory-32:executors_per_node=4",
    "load": 0.9,
    "num_queries": 5,
}


def make(**options: Any) -> gymnasium.Env[Observation, np.ndarray]:
    return gymnasium.make(ENVIRONMENT_ID, **{**SMALL, **options})


def environment(**options: Any) -> QueryScheduling:
    inner = make(**options).unwrapped
    assert isinstance(inner, QueryScheduling)
    return inner


def one_query() -> Trace:
    """Two operators that must follow each other, of two work orders each."""
    return trace(plan(op(10, 10), op(30, 30), edges="0>1"))


def play(
    env: gymnasium.Env[Any, Any], seed: int, choice_seed: int = 0
) -> tuple[list[tuple[Any, float]], Info]:
    """An episode of random legal actions: each action with its reward, and the last info."""
    _, info = env.reset(seed=seed)
    env.action_space.seed(choice_seed)
    steps, is_over = [], False
    while not is_over:
        mask = info["action_mask"]
        mask = mask.astype(np.int8) if isinstance(mask, np.ndarray) else mask
        action = env.action_space.sample(mask)
        _, reward, is_over, is_cut, info = env.step(action)
        assert not is_cut
        steps.append((action, float(reward)))
    return steps, info


@on_both_engines
def test_it_keeps_the_contract_of_gymnasium() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make().unwrapped)


def test_it_can_be_made_by_the_name_of_the_module_alone() -> None:
    env = gymnasium.make(f"lsched.gym:{ENVIRONMENT_ID}", **SMALL)
    assert isinstance(env.unwrapped, QueryScheduling)


def test_it_needs_no_torch() -> None:
    program = "import sys, lsched.gym; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@on_both_engines
def test_the_return_is_the_sum_of_latencies_and_the_schedule_can_be_replayed() -> None:
    """What the environment did, done by hand on a simulation, gives the same run."""
    env = environment()
    steps, info = play(env, seed=3)
    run = env.arrivals.of(env.trace, env.cluster, 3)
    simulation = sim.Simulation(run, env.cluster, 3)
    actions = [action for action, _ in steps]
    end = env.end_row
    while (view := simulation.next_event()) is not None:
        open_operators = [
            operator
            for query in view.queries
            for operator in query.operators
            if not operator.is_complete
        ]
        left = {operator.slot for query in view.queries for operator in query.schedulable}
        schedule = []
        while left and actions:
            row, limit, degree = map(int, actions.pop(0))
            if row == end:
                break
            schedule.append(sim.Allocation(open_operators[row], limit, degree))
            if limit == view.cluster.num_executors:
                left.discard(open_operators[row].slot)
        simulation.apply(schedule)
    assert not actions
    latencies = [query.latency_s for query in simulation.records]
    assert sum(reward for _, reward in steps) == pytest.approx(-sum(latencies), rel=1e-9)
    assert info["mean_latency_s"] == pytest.approx(np.mean(latencies), rel=1e-9)
    assert env.result().queries == simulation.records


@pytest.mark.parametrize("rule", ["fair", "fifo", "srpt:size=estimate"])
def test_what_a_rule_answers_can_be_said_in_actions(rule: str) -> None:
    """Allocations that a rule lists give the latencies that the rule has."""
    env = environment(is_strict=True)
    scheduler = sim.make_scheduler(rule)
    _, info = env.reset(seed=1)
    end, num_degrees = env.end_row, env.max_degree
    is_over = False
    while not is_over:
        assert env.decision is not None
        before = env.decision
        rows = {before.operator(row).slot: row for row in range(len(before.query))}
        for operator, limit, degree in wanted(scheduler, env):
            row = rows[operator.slot]
            if not is_over and env.decision is before and info["action_mask"][0][row]:
                action = np.array([row, limit, min(degree, num_degrees)])
                _, _, is_over, _, info = env.step(action)
        if not is_over and env.decision is before:
            _, _, is_over, _, info = env.step(np.array([end, 1, 1]))
    run = env.arrivals.of(env.trace, env.cluster, 1)
    result = sim.simulate(run, rule, cluster=env.cluster, seed=1)
    assert env.result(rule).queries == result.queries


def wanted(
    scheduler: sim.Scheduler, env: QueryScheduling
) -> list[tuple[sim.OperatorView, int, int]]:
    answer = scheduler.decide(env.simulation.view)
    allocations = answer.allocations if isinstance(answer, sim.Schedule) else answer
    return [(each.operator, each.num_executors, each.pipeline_degree) for each in allocations]


def waiting() -> QueryScheduling:
    """At 10 µs one of two executors is free, the other runs the last work order until 30 µs."""
    independent = trace(plan(op(10, 30), op(20)))
    env = environment(trace=independent, cluster=sim.Cluster(executors_per_node=2), load=None)
    env.reset(seed=0)
    env.step(np.array([0, 2, 1]))
    env.step(np.array([env.end_row, 1, 1]))
    return env


@on_both_engines
def test_waiting_is_allowed_while_an_event_is_to_come() -> None:
    env = waiting()
    assert env.action_masks()[0][[0, 1, env.end_row]].tolist() == [0, 1, 1]
    _, reward, _, _, info = env.step(np.array([env.end_row, 1, 1]))
    assert (reward, info["time_s"]) == (pytest.approx(-20e-6), 30e-6)
    assert info["action_mask"][0][[0, 1, env.end_row]].tolist() == [1, 0, 0], "one operator is left"


@on_both_engines
def test_rewards_count_the_queries_in_the_system_while_time_passes() -> None:
    """Solved by hand: operator 0 takes 10 µs on two executors, operator 1 then 60 µs on one."""
    env = environment(trace=one_query(), cluster=sim.Cluster(executors_per_node=2), load=None)
    _, info = env.reset(seed=0)
    end = env.end_row
    assert [info["time_s"], *info["action_mask"][0][[0, 1, end]]] == [0.0, 1, 0, 0]
    _, reward, is_over, _, info = env.step(np.array([0, 2, 1]))
    assert (reward, is_over, info["time_s"]) == (pytest.approx(-10e-6), False, 10e-6)
    _, reward, _, _, info = env.step(np.array([0, 1, 1]))
    assert (reward, info["time_s"]) == (0.0, 10e-6)
    _, reward, is_over, _, info = env.step(np.array([end, 1, 1]))
    assert (reward, is_over) == (pytest.approx(-60e-6), True)
    assert info["mean_latency_s"] == pytest.approx(70e-6)


def test_equal_seeds_are_equal_episodes_and_others_are_not() -> None:
    env = make()
    first, info = play(env, seed=5)
    again, info_again = play(make(), seed=5)
    other, _ = play(env, seed=6)
    assert [reward for _, reward in first] == [reward for _, reward in again]
    assert info["mean_latency_s"] == info_again["mean_latency_s"]
    assert [reward for _, reward in first] != [reward for _, reward in other]


def test_without_a_seed_those_for_training_are_drawn() -> None:
    env = environment()
    env.reset(seed=0)
    drawn = [env.reset()[1]["seed"] for _ in range(20)]
    env.reset(seed=0)
    assert drawn == [env.reset()[1]["seed"] for _ in range(20)]
    assert len(set(drawn)) > 10
    assert min(drawn) >= 1000
    assert max(drawn) < 9000


def test_what_the_mask_excludes_is_refused_and_nothing_changes() -> None:
    env = environment(is_strict=True)
    _, info = env.reset(seed=2)
    env.action_space.seed(1)
    num_refused = 0
    for _ in range(60):
        decision = env.decision
        assert decision is not None
        before = list(decision.entries)
        for row in np.flatnonzero(info["action_mask"][0] == 0):
            with pytest.raises(sim.InvalidSchedule, match=r"rule R\d: .*allowed: "):
                env.step(np.array([row, 1, 1]))
            num_refused += 1
        assert env.decision is decision
        assert decision.entries == before
        *_, info = env.step(env.action_space.sample(info["action_mask"]))
        if env.decision is None:
            _, info = env.reset()
    assert num_refused > 60


def test_every_action_that_the_mask_allows_is_accepted() -> None:
    env = environment(is_strict=True)
    _, info = env.reset(seed=2)
    for row in np.flatnonzero(info["action_mask"][0]):
        for limit in (1, 2, 4):
            for degree in (1, env.max_degree):
                env.reset(seed=2)
                env.step(np.array([row, limit, degree]))


@on_both_engines
def test_refused_actions_change_nothing_and_say_why() -> None:
    env = environment()
    seen, info = env.reset(seed=0)
    end = env.end_row
    for row, reason in ((end, "rule R6: an empty schedule"), (end - 1, "stands for no operator")):
        after, reward, is_over, is_cut, told = env.step(np.array([row, 1, 1]))
        assert reason in told["refused"]
        assert (reward, is_over, is_cut) == (0.0, False, False)
        assert all(np.array_equal(seen[key], after[key]) for key in seen)
        assert np.array_equal(info["action_mask"][0], told["action_mask"][0])
    blocked = int(np.flatnonzero(seen["operators"][:, IS_SCHEDULABLE] == 0)[0])
    *_, told = env.step(np.array([blocked, 1, 1]))
    assert "rule R4" in told["refused"]
    with pytest.raises(InvalidAction, match="expected one of MultiDiscrete"):
        env.step(np.array([0, 0, 1]))


def test_the_graph_is_that_of_the_plans() -> None:
    env = environment(trace=one_query(), load=None, max_operators=4, max_queries=2)
    seen, _ = env.reset(seed=0)
    assert seen["operator_query"].tolist() == [0, 0, -1, -1]
    assert seen["edges"].tolist() == [[0, 1]] + [[-1, -1]] * 7
    assert seen["edge_is_breaking"].tolist() == [1] + [0] * 7
    assert seen["operators"][:, IS_SCHEDULABLE].tolist() == [1, 0, 0, 0]
    assert seen["operators"][:2].any(axis=1).all()
    assert not seen["operators"][2:].any()
    after, *_ = env.step(np.array([0, 3, 1]))
    assert after["listed"].tolist() == [3, 0, 0, 0]


def test_queries_without_room_wait_and_still_complete() -> None:
    env = environment(is_batch=True, load=None, max_operators=30, max_queries=2)
    seen, _ = env.reset(seed=0)
    assert seen["operator_query"].max() <= 1
    _, info = play(env, seed=0)
    assert len(env.result().queries) == SMALL["num_queries"]
    assert info["mean_latency_s"] > 0


@on_both_engines
@pytest.mark.parametrize("cluster", ["spark-50", "warehouse-4x16", "inmemory-32:memory_bytes=1e8"])
def test_random_episodes_end_on_every_kind_of_cluster(cluster: str) -> None:
    """No mask leads to a schedule after which nothing happens (Stalled)."""
    env = environment(cluster=cluster, num_queries=3, is_strict=True)
    for seed in range(2):
        steps, info = play(env, seed)
        total = -3 * info["mean_latency_s"]
        assert sum(reward for _, reward in steps) == pytest.approx(total, rel=1e-9)


def test_pictures_show_what_was_done_so_far() -> None:
    env = environment(render_mode="rgb_array")
    _, info = env.reset(seed=0)
    first = env.render()
    env.action_space.seed(0)
    for _ in range(40):
        _, _, _, _, info = env.step(env.action_space.sample(info["action_mask"]))
    later = env.render()
    assert first.dtype == later.dtype == np.uint8
    assert first.shape == later.shape == (*first.shape[:2], 3)
    assert later.std() > first.std() > 0, "bars are drawn"
    play(env, seed=0)
    assert env.render().shape == first.shape


def test_what_runs_is_in_the_picture() -> None:
    independent = trace(plan(op(10, 30), op(20)))
    simulation = sim.Simulation(
        independent, sim.Cluster(executors_per_node=2), record_events=True, engine="simpy"
    )
    answer = in_order()
    for _ in range(2):
        view = simulation.next_event()
        assert view is not None
        simulation.apply(answer(view))
    events = so_far(simulation).events
    assert events is not None
    shown = [(each.executor, each.start_us, each.end_us) for each in busy_intervals(events)]
    assert shown == [(0, 0, 10), (1, 0, 10)]


def test_the_text_says_what_is_there() -> None:
    env = environment(trace=one_query(), load=None, render_mode="ansi")
    env.reset(seed=0)
    assert env.render().splitlines() == [
        "0 s: 1 query in the system, 0 completed; 4 of 4 executors free",
        "query 0 (plan): 0 s in the system, 0 executors, schedulable: 0 (other)",
        "schedule so far: empty",
    ]
    env.step(np.array([0, 2, 1]))
    assert env.render().endswith("schedule so far: operator 0 (other) of query 0 (plan) on 2")


def test_many_environments_step_together() -> None:
    envs = gymnasium.make_vec(ENVIRONMENT_ID, num_envs=2, vectorization_mode="sync", **SMALL)
    _, infos = envs.reset(seed=7)
    alone = make()
    alone.reset(seed=8)
    for _ in range(30):
        actions = [np.array([np.flatnonzero(mask[0])[0], 4, 1]) for mask in infos["action_mask"]]
        _, rewards, ends, cuts, infos = envs.step(np.array(actions))
        _, reward, is_over, *_ = alone.step(actions[1])
        assert not is_over
        assert not (ends | cuts).any()
        assert rewards[1] == reward


def test_time_limits_truncate() -> None:
    env = make(max_episode_steps=3)
    assert isinstance(env, TimeLimit)
    _, info = env.reset(seed=0)
    cuts = []
    for _ in range(3):
        _, _, _, is_cut, info = env.step(env.action_space.sample(info["action_mask"]))
        cuts.append(is_cut)
    assert cuts == [False, False, True]


def test_flat_keeps_its_space_its_mask_and_the_rewards() -> None:
    env = Flat(make(is_strict=True), num_candidates=3, shares=(0.5, 1.0))
    seen, info = env.reset(seed=0)
    generator, total, is_over = np.random.default_rng(0), 0.0, False
    while not is_over:
        assert seen in env.observation_space
        mask = env.action_masks()
        assert np.array_equal(mask, info["action_mask"])
        assert mask.shape == (env.action_space.n,) == (3 * 2 + 1,)
        for action in np.flatnonzero(~mask):
            with pytest.raises(sim.InvalidSchedule, match="allowed: "):
                env.step(action)
        seen, reward, is_over, _, info = env.step(int(generator.choice(np.flatnonzero(mask))))
        total += reward
    assert total == pytest.approx(-SMALL["num_queries"] * info["mean_latency_s"], rel=1e-9)


def test_a_schedule_in_flat_ends_when_it_can_use_all_executors() -> None:
    wide = plan(op(10, count=8))
    both = trace(wide, wide)
    cluster = sim.Cluster(executors_per_node=4)
    env = Flat(make(trace=both, cluster=cluster, load=None), num_candidates=3, shares=(0.5, 1.0))
    env.reset(seed=0)
    assert env.action_masks().tolist() == [1, 1, 1, 1, 0, 0, 0]
    *_, info = env.step(0)
    assert info["time_s"] == 0
    assert info["action_mask"].tolist() == [1, 1, 0, 0, 0, 0, 1], "one is listed, on half of them"
    *_, info = env.step(0)
    assert info["time_s"] > 0, "the other has the other half"
    env.reset(seed=0)
    *_, info = env.step(1)
    assert info["time_s"] > 0, "one has all"


def test_first_come_first_served_in_flat_is_fifo() -> None:
    """The first candidate with all executors, again and again: what fifo does, nearly."""
    env = Flat(make(is_batch=True, load=None), shares=(1.0,))
    _, info = env.reset(seed=4)
    is_over = False
    while not is_over:
        _, _, is_over, _, info = env.step(0)
    inner = env.unwrapped
    assert isinstance(inner, QueryScheduling)
    run = inner.arrivals.of(inner.trace, inner.cluster, 4)
    fifo = sim.simulate(run, "fifo", cluster=inner.cluster, seed=4)
    assert info["mean_latency_s"] == pytest.approx(fifo.summary()["mean_latency_s"], rel=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queries": 5}, r"no option 'queries'; did you mean 'num_queries'\?"),
        ({"max_operator": 5}, r"did you mean 'max_operators'\?"),
        ({"max_operators": 0}, "max_operators is 0, expected a whole number"),
        ({"max_operators": 10}, "max_operators is 10, but plan 'q2' has 30 operators"),
        ({"max_queries": 1.5}, "max_queries is 1.5, expected a whole number"),
        ({"load": -1}, "load is -1, expected more than 0"),
        ({"interval_s": 1.0}, "more than one of load, interval"),
        ({"render_mode": "rgb"}, r"render_mode is 'rgb', expected rgb_array or ansi"),
        ({"cluster": "inmemory"}, r"did you mean 'inmemory-32'\?"),
        ({"engine": "quick"}, "engine is 'quick', expected fast or simpy"),
    ],
)
def test_bad_arguments_say_what_is_expected(options: dict[str, Any], message: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium warns of an unknown render mode
        with pytest.raises(ValueError, match=message):
            make(**options)


def test_bad_calls_say_what_is_expected() -> None:
    with pytest.raises(TraceError, match="tpch"):
        make(trace="tpc-h")
    env = environment()
    for call in (
        lambda: env.step(np.array([0, 1, 1])),
        env.result,
        environment(render_mode="ansi").render,
    ):
        with pytest.raises(ResetNeeded, match=r"call reset\(\) first"):
            call()
    with pytest.raises(OptionError, match="reset has no options, speed was given"):
        env.reset(options={"speed": 2})
    with pytest.raises(OptionError, match="Flat is for QueryScheduling"):
        Flat(gymnasium.make("CartPole-v1"))  # type: ignore[arg-type]
    for wrong in ({"num_candidates": 0}, {"shares": ()}, {"shares": (0.0, 1.0)}):
        with pytest.raises(OptionError, match="expected"):
            Flat(env, **wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_example_runs() -> None:
    pytest.importorskip("sb3_contrib")
    example = Path(__file__).parents[1] / "examples" / "gym_maskable_ppo.py"
    done = subprocess.run(
        [sys.executable, example, "--steps", "128", "--seeds", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = [line.rsplit(maxsplit=2)[0] for line in done.stdout.splitlines()[2:]]
    assert names == ["MaskablePPO", "random actions", "fair", "fifo", "srpt"]


def test_a_missing_gymnasium_names_the_extra() -> None:
    program = "import sys; sys.modules['gymnasium'] = None; import lsched.gym"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "lsched.gym needs the gym extra: pip install 'lsched[gym]'" in done.stderr
