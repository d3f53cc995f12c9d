"""Options and settings for the whole suite."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import sim.registry
from sim.engines import ENGINES, VARIABLE, is_fast_installed, ready_batches

settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", parent=settings.get_profile("repeatable"), derandomize=False)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the files in tests/golden with what the code does now",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Compile once, not once in each of several processes: policies beside the engine."""
    if config.getoption("numprocesses", None) and is_fast_installed():
        policies = "from lsched.learn.inference.entry import decide; decide.make_ready()"
        with subprocess.Popen([sys.executable, "-c", policies]):
            ready_batches()


@pytest.fixture(autouse=True)
def only_own_schedulers() -> Iterator[None]:
    """Schedulers of a test are not there in the next one, which may try all that are known."""
    registered = sim.registry._registered
    before = set(registered)
    yield
    for name in set(registered) - before:
        if registered[name].__module__.partition(".")[0] not in ("lsched", "sim"):
            del registered[name]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each engine in turn is the one that runs where none is named."""
    if request.param == "fast":
        pytest.importorskip("numba")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, request.param)
        yield request.param


@pytest.fixture
def is_updating_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="module")
def light_processes() -> Iterator[None]:
    """Processes that tests begin run on the simpy engine, which is loaded sooner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "simpy")
        yield


@pytest.fixture(scope="module")
def one_torch_thread() -> Iterator[None]:
    """Several wait for each other longer than such small networks take."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
