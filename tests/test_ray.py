"""Runs on a Ray cluster of several nodes: the same results as here, also where a node is killed."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray")

from builders import op, plan, trace
from ray.cluster_utils import Cluster as RayCluster
from test_cli import LSCHED, is_gone, slow_scheduler, wait_for
from test_workers import SMALL, Order, figures, one_operator, two_operators

import lsched.ray_executor
import lsched.runner
import traces
from lsched import Comparison, OptionError, WorkerError, compare
from lsched.cli import main
from lsched.executor import Executor
from lsched.ray_executor import RayExecutor
from sim import SchedulerError

pytestmark = pytest.mark.usefixtures("light_processes")

NODE = {"num_cpus": 1, "object_store_memory": 80 * 1024 * 1024}
HEAD = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
"""Without what takes longer to start than all that tests need."""
QUICK_TO_MISS_NODES = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}
WAITING = """
import os, pathlib, time, sim

FOLDER = pathlib.Path(__file__).parent

class Waiting:
    '''Says that it has begun, and goes on when a file is gone.'''

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def decide(self, view):
        (FOLDER / f"began-{self.seed}-{os.getpid()}").touch()
        while (FOLDER / "wait").exists():
            time.sleep(0.01)
        return [sim.Allocation(operator, view.num_executors)
                for query in view.queries for operator in query.schedulable]
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A head and another node, of a CPU each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        head = {**NODE, **HEAD, "_system_config": QUICK_TO_MISS_NODES}
        started = RayCluster(initialize_head=True, head_node_args=head)
        started.add_node(**NODE)
        yield started
        started.shutdown()


@pytest.fixture
def executor(cluster: RayCluster) -> Iterator[RayExecutor]:
    with RayExecutor(cluster.address) as connected:
        yield connected


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order(tmp_path)


def run(scheduler: str, workers: int | Executor = 1, seeds: int = 3) -> Comparison:
    both = [two_operators(), one_operator()]
    return compare(both, ["fair", scheduler], cluster=SMALL, seeds=seeds, workers=workers)


def test_results_are_those_of_this_machine(executor: RayExecutor, order: Order) -> None:
    assert executor.num_workers == 2
    shown: list[tuple[int, int]] = []
    both = [two_operators(), one_operator()]
    there = compare(
        both,
        ["fair", order.scheduler],
        cluster=SMALL,
        seeds=3,
        workers=executor,
        progress=lambda done, total: shown.append((done, total)),
    )
    assert figures(there) == figures(run(order.scheduler))
    assert shown == [(number + 1, 12) for number in range(12)]


def test_a_node_that_is_killed_loses_nothing(cluster: RayCluster, tmp_path: Path) -> None:
    file, wait = tmp_path / "waiting.py", tmp_path / "wait"
    file.write_text(WAITING)
    expected = run(f"{file}:Waiting")
    for began in tmp_path.glob("began-*"):
        began.unlink()
    node = cluster.add_node(**NODE)
    wait.touch()

    def kill_a_node() -> None:
        wait_for(lambda: len(list(tmp_path.glob("began-*"))) == 3)
        cluster.remove_node(node, allow_graceful=False)
        workers = [path.name.rpartition("-")[2] for path in tmp_path.glob("began-*")]
        wait_for(lambda: any(map(is_gone, workers)))
        wait.unlink()

    killer = threading.Thread(target=kill_a_node)
    killer.start()
    try:
        with RayExecutor(cluster.address) as executor:
            assert executor.num_workers == 3
            comparison = run(f"{file}:Waiting", executor)
    finally:
        killer.join()
    assert comparison.incomplete == []
    assert figures(comparison) == figures(expected)
    # Both traces have each seed; one of the six runs began twice.
    assert len({path.name for path in tmp_path.glob("began-*")}) > 3


def test_only_the_run_that_kills_its_worker_is_lost(executor: RayExecutor, order: Order) -> None:
    undisturbed = run(order.scheduler)
    order.die(1)
    comparison = run(order.scheduler, executor)
    reason = "worker process ended by SIGKILL, perhaps out of memory"
    lost = [(each["trace"], each["seed"], each["reason"]) for each in comparison.incomplete]
    assert lost == [("test", 1, reason)]
    assert order.num_deaths == 2
    expected = figures(undisturbed)
    del expected["test", order.scheduler, 1]
    assert figures(comparison) == expected


def test_an_error_is_the_same_error(executor: RayExecutor, order: Order) -> None:
    order.die(1, how="raise")
    order.die(2, how="raise")
    with pytest.raises(SchedulerError) as there:
        run(order.scheduler, executor)
    with pytest.raises(SchedulerError) as here:
        run(order.scheduler)
    assert str(there.value) == str(here.value)
    assert "seed 1: " in str(there.value)


def test_training_ends_with_the_same_weights(executor: RayExecutor) -> None:
    pytest.importorskip("numba")
    from test_train import POLICY, trained

    from lsched.learn.training import begun

    alone, together = (
        trained(begun(POLICY, 0), 1, workers, validate_every=1)  # type: ignore[arg-type]
        for workers in (1, executor)
    )
    assert np.array_equal(alone.evolution.mean, together.evolution.mean)
    assert np.array_equal(alone.best, together.best)
    assert alone.validations[0].ratios == together.validations[0].ratios


def test_machines_that_differ_are_named(
    cluster: RayCluster, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RayExecutor(cluster.address, 1) as executor:
        with monkeypatch.context() as patch:
            patch.setattr(lsched.ray_executor, "identity", lambda: {"lsched": "0.0.9 (12345678)"})
            with pytest.raises(WorkerError, match=r"machine .*: lsched is .*, expected 0\.0\.9 "):
                run(order.scheduler, executor)
        path = order.scheduler.partition(":")[0]
        monkeypatch.setattr(lsched.runner, "needed_files", lambda schedulers: {path: "other"})
        with pytest.raises(WorkerError, match=r"machine .*mortal\.py has another content"):
            run(order.scheduler, executor)


def test_signals_leave_nothing_running(cluster: RayCluster, tmp_path: Path) -> None:
    traces.write(trace(plan(op(10), name="a")), tmp_path / "t.jsonl")
    ends = {signal.SIGINT: (130, b"interrupted\n"), signal.SIGTERM: (143, b"terminated\n")}
    processes, markers = [], []
    for number in ends:
        folder = tmp_path / number.name
        folder.mkdir()
        script, marker = slow_scheduler(folder)
        words = ["compare", str(tmp_path / "t.jsonl"), "--schedulers", f"{script}:Slow"]
        process = subprocess.Popen(
            [*LSCHED, *words, "--seeds", "2", "--ray", cluster.address, "--workers", "1"],
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        processes.append(process)
        markers.append(marker)
    wait_for(lambda: all(marker.exists() and marker.read_text() for marker in markers))
    for process, number in zip(processes, ends, strict=True):
        process.send_signal(number)
    for process, end in zip(processes, ends.values(), strict=True):
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == end
    wait_for(lambda: all(is_gone(marker.read_text()) for marker in markers))


def test_no_cluster_at_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    began_s = time.monotonic()
    assert main(["compare", "tpch", "--schedulers", "fair", "--ray", "127.0.0.1:1"]) == 2
    assert main(["compare", "tpch", "--schedulers", "fair", "--ray", "ray://127.0.0.1:1"]) == 2
    assert time.monotonic() - began_s < 30
    errors = capsys.readouterr().err.splitlines()
    assert [line.partition(": [Errno")[0] for line in errors] == [
        "lsched: error: no Ray cluster at '127.0.0.1:1'",
        "lsched: error: no Ray cluster at 'ray://127.0.0.1:1'",
    ]


def test_something_else_at_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lsched.ray_executor, "CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        for text in (address, f"ray://{address}"):
            with pytest.raises(OptionError, match=f"no Ray cluster at '{text}': something else"):
                RayExecutor(text)


def test_without_ray(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["compare", "tpch", "--schedulers", "fair", "--ray", "auto"]) == 2
    assert capsys.readouterr().err == (
        "lsched: error: --ray needs Ray, which is missing: pip install 'lsched[ray]'\n"
    )


def test_a_wrong_number_of_workers() -> None:
    with pytest.raises(OptionError, match="workers is 0, expected a whole number from 1"):
        RayExecutor("auto", 0)
