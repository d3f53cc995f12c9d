"""Runs on a Ray cluster of several nodes: the same results as here, also where a node is killed."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray")

import grpc
from builders import op, plan, trace
from ray.cluster_utils import Cluster as RayCluster
from test_cli import is_gone, slow_scheduler, wait_for
from test_workers import SMALL, Order, figures, one_operator, two_operators

import lsched.ray_connection
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


def test_only_the_run_that_kills_its_worker_is_lost(cluster: RayCluster, order: Order) -> None:
    undisturbed = run(order.scheduler)
    order.die(1)
    with RayExecutor(cluster.address, 1) as executor:
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


def begun_slowly(
    cluster: RayCluster, folder: Path, **settings: float
) -> tuple[subprocess.Popen[bytes], Path]:
    """A command that takes long, and a file that gets its worker's process id."""
    script, marker = slow_scheduler(folder)
    traces.write(trace(plan(op(10), name="a")), folder / "t.jsonl")
    code = (
        "import sys; from lsched import cli, ray_connection; "
        f"vars(ray_connection).update({settings}); sys.exit(cli.main())"
    )
    words = ["compare", str(folder / "t.jsonl"), "--schedulers", f"{script}:Slow", "--seeds", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words, "--ray", cluster.address, "--workers", "1"],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    return process, marker


def has_begun(marker: Path) -> bool:
    return marker.exists() and marker.read_text() != ""


def test_signals_leave_nothing_running(cluster: RayCluster, tmp_path: Path) -> None:
    ends = {signal.SIGINT: (130, b"interrupted\n"), signal.SIGTERM: (143, b"terminated\n")}
    begun = []
    for number in ends:
        (tmp_path / number.name).mkdir()
        begun.append(begun_slowly(cluster, tmp_path / number.name))
    wait_for(lambda: all(has_begun(marker) for _, marker in begun))
    for number, (process, _) in zip(ends, begun, strict=True):
        process.send_signal(number)
    for end, (process, _) in zip(ends.values(), begun, strict=True):
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == end
    wait_for(lambda: all(is_gone(marker.read_text()) for _, marker in begun))


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
    monkeypatch.setattr(lsched.ray_connection, "CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        for text in (address, f"ray://{address}"):
            with pytest.raises(OptionError, match=f"no Ray cluster at '{text}': something else"):
                RayExecutor(text)


def test_another_port_of_the_cluster(cluster: RayCluster) -> None:
    with pytest.raises(OptionError, match=r"something else is there; give HOST:6379, or "):
        RayExecutor(f"ray://{cluster.address}")


class AsksForToken(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers like a head that knows tokens."""

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        is_known = ("authorization", "Bearer right") in call.invocation_metadata
        code = grpc.StatusCode.UNIMPLEMENTED if is_known else grpc.StatusCode.UNAUTHENTICATED
        return grpc.unary_unary_rpc_method_handler(lambda _, context: context.abort(code, ""))


def test_a_cluster_that_asks_for_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    server = grpc.server(ThreadPoolExecutor(), [AsksForToken()])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
    with pytest.raises(OptionError, match=r"asks for a token: .* set RAY_AUTH_MODE=token"):
        RayExecutor(address)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(OptionError, match="something else is there; give "):
        RayExecutor(address)
    server.stop(None)


def test_without_ray(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["compare", "tpch", "--schedulers", "fair", "--ray", "auto"]) == 2
    assert capsys.readouterr().err == (
        "lsched: error: --ray needs Ray, which is missing: pip install 'lsched[ray]'\n"
    )


def test_a_wrong_number_of_workers() -> None:
    with pytest.raises(OptionError, match="workers is 0, expected a whole number from 1"):
        RayExecutor("auto", 0)


def test_a_node_that_is_killed_loses_nothing(cluster: RayCluster, tmp_path: Path) -> None:
    """Comes late: a node is missing afterwards."""
    file, wait = tmp_path / "waiting.py", tmp_path / "wait"
    file.write_text(WAITING)
    expected = run(f"{file}:Waiting")
    for began in tmp_path.glob("began-*"):
        began.unlink()
    wait.touch()

    def kill_a_node() -> None:
        wait_for(lambda: len(list(tmp_path.glob("began-*"))) == 2)
        (node,) = cluster.worker_nodes
        cluster.remove_node(node, allow_graceful=False)
        workers = [path.name.rpartition("-")[2] for path in tmp_path.glob("began-*")]
        wait_for(lambda: any(map(is_gone, workers)))
        wait.unlink()

    killer = threading.Thread(target=kill_a_node)
    killer.start()
    try:
        with RayExecutor(cluster.address) as executor:
            assert executor.num_workers == 2
            comparison = run(f"{file}:Waiting", executor)
    finally:
        killer.join()
    assert comparison.incomplete == []
    assert figures(comparison) == figures(expected)
    # Both traces have each seed; one of the six runs began twice.
    assert len({path.name for path in tmp_path.glob("began-*")}) > 3


def test_the_head_is_lost(cluster: RayCluster, tmp_path: Path) -> None:
    """Comes last: there is no cluster any more."""
    process, marker = begun_slowly(cluster, tmp_path, LOST_S=0.5, LEAVE_S=0.5)
    address = cluster.address
    wait_for(lambda: has_begun(marker))
    cluster.head_node.kill_gcs_server()
    _, errors = process.communicate(timeout=60)
    lines = errors.decode().splitlines()
    assert (process.returncode, len(lines)) == (2, 1)
    assert lines[0].startswith(f"lsched: error: the head of the Ray cluster, {address}, is lost: ")
