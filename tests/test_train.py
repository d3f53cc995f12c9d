"""``lsched train``: it learns, it can be stopped and gone on with, and says what is wrong."""

from __future__ import annotations

import importlib.util
import json
import shlex
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("safetensors")

from policies import random_vector

import sim
import traces
from lsched.arrivals import Arrivals
from lsched.cli import main
from lsched.commands.train import Options
from lsched.config_file import values_of
from lsched.learn.base_rules import best_rule, candidates
from lsched.learn.checkpoint import load
from lsched.learn.config import PolicyConfig
from lsched.learn.directory import Description, read_validations, write_state
from lsched.learn.evaluate import Evaluator, Outcome, Setting
from lsched.learn.evolution import EvolutionConfig
from lsched.learn.scaling import moments_of, standardised
from lsched.learn.shapes import named
from lsched.learn.training import (
    TrainingConfig,
    TrainingState,
    begun,
    first_weights,
    shares_of,
    train,
)
from lsched.learn.workload import Case, cost_of, mean_ratio
from lsched.parsing import parse_options
from lsched.plots.learning import learning_curves

CASE = Case(
    traces.load("tpch"),
    sim.preset("inmemory-32").replace(memory_bytes=1_000_000_000),
    Arrivals(load=1.0, scale=4.0, num_queries=12),
)
POLICY = PolicyConfig(rule="fifo", width=4)
CONFIG = TrainingConfig(
    evolution=EvolutionConfig(pairs=3, sigma=0.1),
    seeds=2,
    generations=6,
    validate_every=2,
    validation_seeds=3,
    growth=3,
)
OPTIONS = [
    *("tpch", "--rule", "fifo", "--load", "1", "--queries", "5", "--pairs", "2", "--seeds", "1"),
    *("--workers", "1", "--no-tensorboard", "--costs", "0"),
]


def trained(
    state: TrainingState, generations: int, workers: int = 1, **changes: object
) -> TrainingState:
    setting = Setting((CASE,), POLICY, "mean")
    with Evaluator(setting, workers) as evaluator:
        config = replace(CONFIG, generations=generations, **changes)  # type: ignore[arg-type]
        return [state, *train(evaluator, config, state)][-1]


def test_it_gets_better_than_fifo() -> None:
    weights = standardised(first_weights(POLICY, 0), moments_of([CASE], POLICY))
    evolution = EvolutionConfig(pairs=8, sigma=0.1, step=2.0)
    state = trained(begun(POLICY, 0, weights), 8, evolution=evolution)
    assert state.best_ratio < 0.98
    assert [each.generation for each in state.validations] == [2, 4, 6, 8]


def test_going_on_ends_with_the_same_weights() -> None:
    whole = trained(begun(POLICY, 0), 4)
    parts = trained(trained(begun(POLICY, 0), 1), 4)
    assert np.array_equal(whole.evolution.mean, parts.evolution.mean)
    assert np.array_equal(whole.best, parts.best)
    assert whole.num_decisions == parts.num_decisions


def test_what_leads_straight_to_decisions_is_trained_first() -> None:
    states = [begun(POLICY, 0)]
    for generation in (1, 2, 3):
        states.append(trained(states[-1], generation, direct_generations=2))
    weights = [named(POLICY, state.evolution.mean) for state in states]
    changes = [
        {name for name in after if not np.array_equal(before[name], after[name])}
        for before, after in pairwise(weights)
    ]
    assert changes[0] == changes[1]
    assert {name.rpartition(".")[0] for name in changes[0]} == {"direct.operator", "direct.query"}
    assert {"operator.2.weight", "encoder.prep.0.weight"} < changes[2]


def test_processes_do_not_change_the_result() -> None:
    alone, together = trained(begun(POLICY, 0), 1), trained(begun(POLICY, 0), 1, workers=2)
    assert np.array_equal(alone.evolution.mean, together.evolution.mean)


def test_the_command_writes_a_policy_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "mine")]
    assert main(["train", *OPTIONS, *out, "--generations", "1"]) == 0
    assert "learned:path=" in capsys.readouterr().out
    card = load(tmp_path / "mine").card
    assert card.policy.rule == "fifo"
    assert card.training.trace == "tpch"
    assert main(["train", *OPTIONS, *out, "--generations", "2"]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["train", *OPTIONS, *out, "--generations", "2", "--resume"]) == 0
    assert main(["train", *OPTIONS, *out, "--generations", "3", "--resume", "--sigma", "1"]) == 2
    assert "give the same options" in capsys.readouterr().err
    config = json.loads((tmp_path / "mine" / "config.json").read_text())
    assert (config["generations"], config["sigma"], config["resume"]) == (2, 0.2, False)
    words = shlex.split(load(tmp_path / "mine").card.training.command)
    made = parse_options(Options, "lsched train", words[2:])
    told = {each: value for each, value in config.items() if each not in ("command", "made_by")}
    assert words[:2] == ["lsched", "train"]
    assert values_of(replace(made, workers=config["workers"], tensorboard=False)) == told


def test_without_the_direct_map_it_cannot_be_trained_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", *OPTIONS, "--no-direct", "--direct-generations", "3"]
    assert main([*words, "--out", str(tmp_path)]) == 2
    assert "there is nothing that it trains" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["state.npz", "training.json"])
def test_a_damaged_directory_is_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path)]
    assert main(["train", *OPTIONS, *out, "--generations", "1"]) == 0
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[:-40])
    assert main(["train", *OPTIONS, *out, "--generations", "2", "--resume"]) == 2
    assert name in capsys.readouterr().err


def test_costs_that_are_no_numbers_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsched.learn.evaluate.cost_of", lambda result, objective: float("nan"))
    with pytest.raises(FloatingPointError, match="finite"):
        trained(begun(POLICY, 0), 1)


def test_windows_of_what_is_replayed() -> None:
    trace = traces.load("fleet-small")
    case = Case(trace, CASE.cluster, Arrivals(part="training"), window=20)
    runs = [case.run_of(seed) for seed in (1, 2, 1)]
    assert [len(run.queries) for run in runs] == [20, 20, 20]
    assert runs[0].queries == runs[2].queries != runs[1].queries
    assert len(case.run_of(1, 0.25).queries) == 5


def test_windows_of_generated_days() -> None:
    case = Case(traces.load("fleet-small"), CASE.cluster, Arrivals(is_redrawn=True), window=20)
    drawn = {seed: case.run_of(seed).queries for seed in (1000, 1001, 1008, 9000)}
    assert all(len(queries) == 20 for queries in drawn.values())
    plans = {seed: case.run_of(seed).plans for seed in drawn}
    assert plans[1000] is plans[1008]
    assert drawn[1000] != drawn[1008]
    assert plans[1000] is not plans[1001]
    assert plans[1000] is not plans[9000]


def test_objectives() -> None:
    result = sim.simulate(CASE.run_of(0), "fair", cluster=CASE.cluster)
    latencies_s = [query.latency_s for query in result.queries]
    assert cost_of(result, "mean") == pytest.approx(np.mean(latencies_s))
    tail = [np.mean(latencies_s), *np.percentile(latencies_s, [95, 99])]
    assert cost_of(result, "tail") == pytest.approx(np.mean(tail))
    slowdowns = [query.slowdown for query in result.queries]
    assert cost_of(result, "slowdown") == pytest.approx(np.mean(slowdowns))
    assert mean_ratio([1.0, 4.0], [2.0, 2.0]) == pytest.approx(1.0)


def test_rules_to_choose_from_can_be_corrected() -> None:
    from lsched.learn.rule import rule_numbers

    for text in candidates(has_memory=True):
        assert rule_numbers(text).any()


@pytest.mark.parametrize("name", ["torch", "tensorboard"])
def test_a_missing_extra_is_said_before_anything_is_compiled(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda each, *more: None if each == name else found(each, *more),
    )
    assert main(["train", "tpch", "--load", "0.5", "--out", str(tmp_path / "out")]) == 2
    assert "needs the learn extra: pip install 'lsched[learn]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_state_is_read_without_running_anything(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path)]
    assert main(["train", *OPTIONS, *out, "--generations", "1"]) == 0
    assert json.loads((tmp_path / "training.json").read_text())["policy"]["rule"] == "fifo"
    with np.load(tmp_path / "state.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays.files)


def test_cases_of_the_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quick = ["--rule", "fifo", "--pairs", "1", "--seeds", "1", "--generations", "1"]
    quick += ["--workers", "1", "--no-tensorboard", "--validation-seeds", "1"]
    patterns = ["--cases", "tpch-0.[57]-inmemory-scarce,different*"]
    out = ["--out", str(tmp_path / "suite")]
    assert main(["train", *patterns, *quick, *out, "--queries", "3", "--estimates", "0.5"]) == 0
    card = load(tmp_path / "suite").card
    assert card.training.trace == "tpch; different"
    assert card.training.arrivals.startswith("load 0.5, estimates 0.5, scale 10, 3 queries; ")
    capsys.readouterr()
    out = ["--out", str(tmp_path / "other")]
    assert main(["train", *patterns, *quick, *out, "--load", "0.5"]) == 2
    assert "cases of the suite say how queries arrive" in capsys.readouterr().err
    assert main(["train", "tpch", *patterns, *quick, *out]) == 2
    assert "not both" in capsys.readouterr().err


def test_what_plans_cost_is_learned_first_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path), "--validate-every", "1", "--validation-seeds", "2"]
    words = ["train", *OPTIONS, "--costs", "4", *out]
    assert main([*words, "--generations", "1"]) == 0
    assert "learning what plans cost" in capsys.readouterr().err
    assert [each.generation for each in read_validations(tmp_path)] == [0, 1]
    first = load(tmp_path)
    assert first.card.policy.costs == 4
    assert first.weights["costs.last.weight"].any()
    assert main([*words, "--generations", "2", "--resume"]) == 0
    assert "learning what plans cost" not in capsys.readouterr().err
    second = load(tmp_path)
    costs = {name for name in first.weights if name.startswith("costs.")}
    assert all(np.array_equal(first.weights[name], second.weights[name]) for name in costs)
    brought = sim.make_scheduler(f"learned:path={tmp_path}").experience(CASE.trace, CASE.cluster)
    assert set(brought.plans) == {plan.name for plan in CASE.trace.plans}


def test_a_policy_without_a_rule_is_compared_with_fair_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = [*OPTIONS, "--rule", "none", "--observed", "decima", "--no-direct"]
    out = ["--out", str(tmp_path), "--generations", "1", "--validate-every", "1"]
    assert main(["train", *quick, *out, "--validation-seeds", "2"]) == 0
    shown = capsys.readouterr()
    assert "× fair" in shown.err
    (ratio,) = load(tmp_path).card.training.validation.values()
    (validation,) = read_validations(tmp_path)
    assert ratio == validation.ratio
    assert f"validation: {ratio:.4f} × fair" in shown.out


def test_some_cases_are_drawn_for_each_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = Evaluator.of_policies

    def noted(self: Evaluator, weights: np.ndarray, *rest: np.ndarray) -> Outcome:
        asked.append(rest[1])
        return real(self, weights, *rest)

    monkeypatch.setattr(Evaluator, "of_policies", noted)
    config = replace(CONFIG, cases=2, generations=1, validate_every=9)
    with Evaluator(Setting((CASE,) * 4, POLICY, "mean")) as evaluator:
        list(train(evaluator, config, begun(POLICY, 0, num_cases=len(evaluator.setting.cases))))
    _, cases = asked
    pairs = config.evolution.pairs
    assert cases.shape == (2 * pairs, 2)
    assert np.array_equal(cases[:pairs], cases[pairs:])
    assert np.all(cases[:, 0] != cases[:, 1])
    assert len({tuple(drawn) for drawn in cases.tolist()}) > 1


def test_costs_are_those_of_each_policy_on_its_own_cases_and_seeds() -> None:
    other = replace(CASE, arrivals=replace(CASE.arrivals, load=0.3))
    weights = np.stack([random_vector(POLICY, seed) for seed in range(3)])
    seeds, cases = np.array([[1000], [1001], [1002]]), np.array([[0, 1], [1, 0], [0, 1]])
    for workers in (1, 2):
        with Evaluator(Setting((CASE, other), POLICY, "mean"), workers) as evaluator:
            found = evaluator.of_policies(weights, seeds, cases).costs
            for policy in range(3):
                alone = evaluator.of_one(weights[policy], seeds[policy].tolist())[:, 0]
                assert found[policy, :, 0].tolist() == alone[cases[policy]].tolist()
    assert len(set(found.ravel().tolist())) == 6


def test_a_policy_goes_on_from_another_with_its_encoder_as_it_is(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["train", *OPTIONS, "--out", str(first), "--generations", "1"]) == 0
    started = ["--start", str(first), "--freeze-encoder", "--out", str(second)]
    assert main(["train", *OPTIONS, *started, "--generations", "2"]) == 0
    with np.load(first / "state.npz") as arrays:
        begin = named(PolicyConfig(rule="fifo"), arrays["best"])
    with np.load(second / "state.npz") as arrays:
        end = named(PolicyConfig(rule="fifo"), arrays["mean"].astype(np.float32))
    changed = {name for name in begin if not np.array_equal(begin[name], end[name])}
    assert changed
    assert all(name.startswith(("operator.", "query.", "direct.")) for name in changed)


def test_the_rule_that_is_chosen_is_the_best_of_those_tried() -> None:
    rule, ratios = best_rule([CASE], "mean")
    assert ratios[rule] == min(ratios.values()) < 1.0
    assert any("pipeline=best" in text for text in ratios)


def test_learning_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = trained(begun(POLICY, 0), 4)
    description = Description(POLICY, ["tpch"], ["c"], ["a"], {})
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_state(tmp_path / name, state, description, {})
    assert read_validations(tmp_path / "one") == state.validations
    figure = learning_curves({"one": state.validations, "two": state.validations[:1]})
    lines = figure.axes[0].get_lines()[1:]
    assert [len(line.get_xdata()) for line in lines] == [3, 2]
    assert lines[0].get_ydata()[0] == 1.0
    image = tmp_path / "curves.png"
    directories = [str(tmp_path / name) for name in ("one", "two")]
    assert main(["curves", *directories, "--out", str(image)]) == 0
    assert image.stat().st_size > 5000
    capsys.readouterr()
    assert main(["curves", str(tmp_path), "--out", str(image)]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path}: no training there (no state.npz)" in error


def test_all_workloads_count_alike() -> None:
    """A workload of one case is not drowned by one of three."""
    many, one = (traces.load(name) for name in ("tpch", "ssb"))
    cluster, arrivals = CASE.cluster, Arrivals()
    cases = [Case(trace, cluster, arrivals) for trace in (many, one, many, many)]
    np.testing.assert_allclose(shares_of(cases), [1 / 6, 1 / 2, 1 / 6, 1 / 6])
