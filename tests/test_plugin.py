"""A scheduler from outside: as an installed package, and as a class that exists only here."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_docs import ROOT

EXAMPLE = ROOT / "examples" / "scheduler_plugin"

NOTEBOOK = """
import sim, traces
from lsched import Arrivals, OptionError, compare

class Mine:
    def __init__(self, limit: int = 8) -> None:
        self.limit = limit

    def decide(self, view):
        limit = min(self.limit, view.num_executors)
        return [sim.Allocation(o, limit) for q in view.queries for o in q.schedulable]

trace = traces.batch_arrivals(traces.load("tpch"), 5, seed=0)
drawn = {"arrivals": Arrivals(load=0.5, num_queries=9), "seeds": 2}
by_class, by_object = sim.simulate(trace, Mine, seed=3), sim.simulate(trace, Mine(), seed=3)
assert by_class.scheduler == by_object.scheduler == "Mine"
assert by_class.queries == by_object.queries
assert sim.simulate_many(trace, Mine, seeds=[3])[0].queries == by_class.queries
found = compare(trace, ["fifo", Mine, "Mine:limit=1"], **drawn)
assert found.schedulers == ("fifo", "Mine", "Mine:limit=1")
means = {row["scheduler"]: row["mean_latency_s"] for row in found.rows()}
assert means["Mine"] < means["Mine:limit=1"]
assert compare(trace, Mine, seeds=1).schedulers == ("Mine",)

class Mine(Mine):  # the cell is run again
    def decide(self, view):
        return super().decide(view)[::-1]

again = compare(trace, [Mine], **drawn)
assert again.rows()[0]["mean_latency_s"] != means["Mine"]
try:
    compare(trace, [Mine()], seeds=1)
except OptionError as error:
    assert "ClassName', or a class" in str(error)
else:
    raise AssertionError
"""

CHECKED = """
import sim
from lsched.check import check_scheduler

class Mine:
    def decide(self, view):
        return [sim.Allocation(o, view.num_executors) for q in view.queries for o in q.schedulable]

if __name__ == "__main__":
    report = check_scheduler(Mine)
    assert report.failed == []
    texts = [finding.text for finding in report.findings if finding.status == "not checked"]
    assert "it is known in this process only" in texts
"""


def run(*words: str, path: str = "") -> str:
    """What a command prints, with more places to import from."""
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": path, "LSCHED_ENGINE": "simpy"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the example is installed, without a network; and this checkout."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("an environment without pip")
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(EXAMPLE, folder / "source")  # building leaves files beside the sources
    words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    words += ["--no-deps", "--no-build-isolation", "--target", str(folder / "installed")]
    run(*words, str(folder / "source"))
    return os.pathsep.join([str(folder / "installed"), str(ROOT)])


def test_it_is_compared_like_others(path: str) -> None:
    words = ["-m", "lsched", "compare", "tpch", "--schedulers", "fair,ageing,ageing:weight=1"]
    words += ["--load", "0.5", "--queries", "5", "--seeds", "2", "--no-plots", "--workers", "2"]
    assert "ageing:weight=1" in run(*words, path=path)
    assert "weight = 0.2" in run("-m", "lsched", "schedulers", path=path)


def test_it_passes_the_checks(path: str) -> None:
    assert "failed" not in run("-m", "lsched", "check", "ageing:weight=0.5", path=path)


def test_its_own_tests_pass(path: str) -> None:
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(EXAMPLE)]
    assert "3 passed" in run(*words, str(EXAMPLE), path=path)


@pytest.mark.parametrize("code", [NOTEBOOK, CHECKED])
def test_a_class_of_a_notebook(code: str, tmp_path: Path) -> None:
    """Or of a script: it is in ``__main__``, in no module that could be imported."""
    file = tmp_path / "notebook.py"
    file.write_text(code)
    run(str(file), path=str(ROOT))
