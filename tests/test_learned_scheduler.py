"""Learned policies as schedulers: by name, on the command line, in several processes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest.importorskip("safetensors")
pytest.importorskip("numba")

import test_schedulers as conformance
from policies import CONFIGS, WITH_COSTS, saved
from test_schedulers import random_trace

import sim
import traces
from lsched import CheckpointError, compare
from lsched.cli import main
from lsched.learn import checkpoint, scheduler
from lsched.learn.scheduler import Learned
from sim import UnknownScheduler, make_scheduler, scheduler_names
from sim.registry import GROUP

NAMES = {"decima", "learned", "lsched", "lsched-gcn"}
ALL = CONFIGS | {"costs": WITH_COSTS}
CLUSTER = "spark-50:executors_per_node=6"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policies") / "mine"
    saved(path, CONFIGS["tree"])
    return path


@pytest.fixture(scope="module")
def trace_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("traces") / "small.jsonl"
    traces.write(random_trace(1), file)
    return str(file)


def test_they_are_found_by_entry_points() -> None:
    """Where this fails, install again: `pip install -e .` notes what entry points there are."""
    found = {point.name: point.load() for point in entry_points(group=GROUP)}
    assert found.keys() >= NAMES
    assert found["learned"] is Learned
    assert set(scheduler_names()) >= NAMES
    assert not NAMES & set(scheduler_names(plugins=False))


def test_a_policy_is_made_by_its_path(path: Path) -> None:
    made = make_scheduler(f"learned:path={path}")
    assert isinstance(made, Learned)
    assert made.card.policy == CONFIGS["tree"]
    result = sim.simulate(random_trace(1), f"learned:path={path}", cluster=sim.preset("spark-50"))
    assert len(result.queries) == 12


@pytest.mark.parametrize("cluster", ["inmemory-32", "spark-50", "scarce-memory", "two-nodes"])
@pytest.mark.parametrize("name", ["tree", "decima", "few-heads", "costs"])
def test_conformance(name: str, cluster: str, tmp_path: Path) -> None:
    saved(tmp_path / name, ALL[name])
    text = f"learned:path={tmp_path / name}"
    conformance.test_completes_every_query_and_is_deterministic(text, cluster)
    conformance.test_sees_no_time_before_it_is_observed(text, cluster)


@pytest.mark.parametrize("name", ["tree", "costs"])
def test_without_corrections_the_rule_decides(name: str, tmp_path: Path) -> None:
    """With the policy's experience, if it has one."""
    saved(tmp_path / "mine", ALL[name])
    trace, cluster = random_trace(1), sim.preset("spark-50")
    policy = make_scheduler(f"learned:path={tmp_path / 'mine'}+corrections=off")
    experience = getattr(policy, "experience", None)
    known = experience(trace, cluster) if experience else True
    off = sim.simulate(trace, policy, cluster=cluster, seed=2)
    rule = sim.simulate(trace, ALL[name].rule, cluster=cluster, seed=2, history=known)
    on = sim.simulate(trace, f"learned:path={tmp_path / 'mine'}", cluster=cluster, seed=2)
    assert (experience is not None) == (name == "costs")
    assert off.queries == rule.queries != on.queries


def test_an_instance_that_has_served_a_run_starts_afresh(path: Path) -> None:
    conformance.test_an_instance_that_has_served_a_run_starts_afresh(f"learned:path={path}")


@pytest.mark.parametrize("text", ["learned:path=nowhere", "learned:path=nowhere.json"])
def test_a_policy_that_is_not_there(text: str) -> None:
    with pytest.raises(UnknownScheduler, match=r"nowhere.json: no such file; a policy is NAME"):
        make_scheduler(text)
    with pytest.raises(UnknownScheduler, match=r"needs path \(the directory .*: learned:path="):
        make_scheduler("learned")
    with pytest.raises(UnknownScheduler, match=r"with lsched come .*; did you mean 'everywhere'\?"):
        make_scheduler("learned:path=everywher")


@pytest.mark.parametrize("name", ["decima", "lsched-gcn"])
def test_a_shipped_policy_is_used_or_said_to_be_missing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path)
    with pytest.raises(UnknownScheduler, match=f"policy '{name}' is not part of this installation"):
        make_scheduler(name)
    saved(tmp_path / name, CONFIGS["decima"])
    made = make_scheduler(name)
    assert isinstance(made, Learned)
    assert made.card.policy == CONFIGS["decima"]


@pytest.mark.parametrize(
    ("member", "cluster"),
    [("server", "inmemory-32"), ("everywhere", "warehouse-4x16"), ("spark", "spark-50")],
)
@pytest.mark.parametrize("corrections", ["on", "off"])
def test_lsched_is_another_policy_on_each_kind_of_cluster(
    member: str, cluster: str, corrections: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path)
    with pytest.raises(UnknownScheduler, match="policy 'server' is not part of this installation"):
        make_scheduler("lsched")
    saved(tmp_path / "server", WITH_COSTS)
    saved(tmp_path / "everywhere", CONFIGS["tree"])
    saved(tmp_path / "spark", CONFIGS["few-heads"])
    texts = [f"{name}corrections={corrections}" for name in ("lsched:", f"learned:path={member}+")]
    whole, own = (
        sim.simulate(random_trace(1), text, cluster=sim.preset(cluster), seed=2).queries
        for text in texts
    )
    assert whole == own
    assert len(make_scheduler("lsched").files) == 6


def test_policies_that_come_with_lsched_go_by_name_unless_there_is_such_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path)
    saved(tmp_path / "days", CONFIGS["decima"])
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert Learned("days").card.policy == CONFIGS["decima"]
    saved(here / "days", CONFIGS["tree"])
    assert Learned("days").card.policy == CONFIGS["tree"]


def test_what_is_missing_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def without(*packages: str) -> None:
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if name in packages else real(name)
        )

    without("safetensors")
    with pytest.raises(UnknownScheduler, match=r"need safetensors.*pip install 'lsched\[fast\]'"):
        make_scheduler(f"learned:path={path}")
    without("torch")
    assert isinstance(make_scheduler(f"learned:path={path}"), Learned)
    monkeypatch.setattr(scheduler, "is_fast_installed", lambda: False)
    with pytest.raises(UnknownScheduler, match=r"need numba.*pip install 'lsched\[fast\]'"):
        make_scheduler(f"learned:path={path}")


PROGRAM = """
import sys
from lsched.cli import main
code = main(sys.argv[1:])
print("torch" in sys.modules, "numba" in sys.modules, file=sys.stderr)
sys.exit(code)
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, which then says whether torch and numba were imported."""
    return subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True)


def test_they_are_listed_without_loading_anything() -> None:
    done = run("schedulers")
    assert done.returncode == 0, done.stderr
    for name in NAMES:
        assert f" {name} " in done.stdout
    assert "Learned: Decima's agent" in done.stdout
    assert done.stderr.endswith("False False\n")


def test_they_decide_without_torch(path: Path, trace_file: str) -> None:
    done = run("simulate", trace_file, "--scheduler", f"learned:path={path}", "--cluster", CLUSTER)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("False True\n")


def test_comparisons_in_several_processes(path: Path) -> None:
    text = f"learned:path={path}"
    runs = [
        compare(random_trace(1), ["fair", text], cluster=CLUSTER, seeds=2, workers=workers)
        for workers in (1, 2)
    ]
    alone, together = (each.cases[0].outcomes[text].runs for each in runs)
    assert [run.queries for run in alone] == [run.queries for run in together]
    assert len(alone) == 2


@pytest.mark.parametrize("command", ["compare", "tune"])
def test_compare_and_tune_on_the_command_line(
    command: str, path: Path, trace_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    option = {"compare": "--schedulers", "tune": "--scheduler"}[command]
    words = [command, trace_file, option, f"learned:path={path}", "--cluster", CLUSTER]
    assert main([*words, "--seeds", "1", "--load", "0.5", "--queries", "9"]) == 0
    assert "learned" in capsys.readouterr().out


def test_a_damaged_policy_is_a_message_and_no_traceback(
    tmp_path: Path, trace_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path / "mine", CONFIGS["decima"])
    (tmp_path / "mine.safetensors").write_bytes(b"damaged")
    assert main(["simulate", trace_file, "--scheduler", f"learned:path={tmp_path / 'mine'}"]) == 2
    captured = capsys.readouterr()
    assert "mine.safetensors: not a complete safetensors file" in captured.err
    assert "Traceback" not in captured.err
    with pytest.raises(CheckpointError):
        Learned(str(tmp_path / "mine"))
