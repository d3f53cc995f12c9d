"""Which engine runs, what is said where the fast one is missing, and what is kept on disk."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import pytest
from builders import op, plan, trace

import lsched.commands.options
import sim
from lsched import compare, tune
from lsched.cli import main
from lsched.errors import OptionError
from sim.engines import HOW_TO_GET_FAST, engine_name, is_fast_installed, ready_engine
from sim.simpy_engine.engine import SimpyEngine

numba = pytest.importorskip("numba")
WITHOUT_NUMBA = "import sys; sys.modules['numba'] = None\n"
"""What makes a program believe that numba is not installed."""


def run_python(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LSCHED_ENGINE", raising=False)
    # Both are imported here already: one imported later would keep what stands in for it.
    monkeypatch.setattr(sim.engines, "is_fast_installed", lambda: False)
    monkeypatch.setattr(lsched.commands.options, "is_fast_installed", lambda: False)
    sim.engines._advise.cache_clear()


def test_the_fast_engine_runs_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.fast_engine.engine import FastEngine

    monkeypatch.delenv("LSCHED_ENGINE", raising=False)
    assert is_fast_installed()
    one = trace(plan(op(1)))
    assert isinstance(sim.Simulation(one, sim.Cluster()).engine, FastEngine)
    assert isinstance(sim.Simulation(one, sim.Cluster(), engine="simpy").engine, SimpyEngine)
    monkeypatch.setenv("LSCHED_ENGINE", "simpy")
    assert isinstance(sim.Simulation(one, sim.Cluster()).engine, SimpyEngine)
    assert isinstance(sim.Simulation(one, sim.Cluster(), engine="fast").engine, FastEngine)


def test_an_engine_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"engine is 'fats', expected fast or simpy.*fast"):
        engine_name("fats")
    with pytest.raises(OptionError, match="engine is 'simpi'"):
        compare(trace(plan(op(1))), ["fair"], seeds=1, engine="simpi")  # type: ignore[arg-type]
    monkeypatch.setenv("LSCHED_ENGINE", "slow")
    with pytest.raises(ValueError, match="engine is 'slow'"):
        engine_name(None)


def test_advice_is_given_once(without_numba: None) -> None:
    one = trace(plan(op(1)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            assert isinstance(sim.Simulation(one, sim.Cluster()).engine, SimpyEngine)
            sim.simulate(one, "fair")
            compare(one, ["fair"], seeds=2)
    assert [str(warning.message) for warning in caught] == [HOW_TO_GET_FAST]


def test_no_advice_where_an_engine_is_named(without_numba: None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sim.simulate(trace(plan(op(1))), "fair", engine="simpy")


def test_the_fast_engine_where_it_is_missing(
    without_numba: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"needs numba.*pip install"):
        ready_engine("fast")
    arguments = ["simulate", "tpch", "--engine"]
    assert main([*arguments, "fast"]) == 2
    assert "needs numba" in capsys.readouterr().err
    assert main([*arguments, "auto"]) == 0
    assert capsys.readouterr().err.count("pip install") == 1
    assert main([*arguments, "simpy"]) == 0
    assert "pip install" not in capsys.readouterr().err


def test_everything_but_the_engine_works_without_numba() -> None:
    program = (
        "from lsched.cli import main\n"
        "code = main(['compare', 'tpch', '--schedulers', 'fifo,srpt', '--seeds', '2', '--load', "
        "'0.5', '--queries', '20', '--workers', '2'])\n"
        "assert 'sim.fast_engine.engine' not in sys.modules\n"
        "sys.exit(code)"
    )
    outcome = run_python(WITHOUT_NUMBA + program, LSCHED_ENGINE="")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr.count("pip install") == 1  # workers do not say it again
    assert "srpt" in outcome.stdout


def test_both_engines_give_the_same_comparison_and_tuning() -> None:
    results = []
    for engine in ("fast", "simpy"):
        found = compare("tpch", ["fair", "stride"], seeds=2, engine=engine)  # type: ignore[arg-type]
        tuned = tune("tpch", "srpt", {"share": [1.0, 2.0]}, seeds=2, engine=engine)  # type: ignore[arg-type]
        runs = [run.queries for outcome in found.cases[0].outcomes.values() for run in outcome.runs]
        results.append((runs, tuned.candidates))
    assert results[0] == results[1]


def test_the_compiled_engine_is_kept_on_disk_and_compiling_is_announced() -> None:
    load = "from sim.engines import ready_engine; ready_engine('fast')"
    assert run_python(load).returncode == 0
    again = run_python(load)
    assert (again.returncode, again.stderr) == (0, "")
    announced = run_python(
        "import sim.fast_engine.engine\n"
        "from sim.fast_engine.progress_line import showing_progress\n"
        "import numba\n"
        "with showing_progress():\n"
        "    numba.njit(lambda x: x + 1)(2)\n"
        "with showing_progress():\n"
        "    numba.njit(lambda x: x + 2)(2)\n"
    )
    assert announced.stderr.count("compiling the fast engine") == 1
