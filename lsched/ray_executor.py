"""Workers on the machines of a Ray cluster."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from lsched.errors import OptionError, WorkerError
from lsched.executor import Death, Gone, Task
from lsched.ray_host import identity
from lsched.runner import num_cores

LOCAL = "local"
CONNECT_S, CHECK_S, START_S = 10.0, 1.0, 300.0
HOW_TO_GET_RAY = "--ray needs Ray, which is missing: pip install 'lsched[ray]'"


class RayExecutor:
    """Runs jobs on a Ray cluster; see ``Executor``. A context manager: leaving it disconnects.

    Example:
        >>> with RayExecutor("auto") as cluster:
        ...     comparison = compare("tpch", ["fifo", "fair"], workers=cluster)

    Args:
        address: as for ``ray.init``: ``auto``, ``HOST:6379``, ``ray://HOST:10001``; or ``local``, a
            Ray of its own on this machine. If this process is connected already, that stands.
        num_workers: how many jobs at once, at most; default: CPUs that the cluster has now.

    Raises:
        OptionError: Ray is missing, or of another version than the cluster's, the cluster cannot be
            reached or has no CPUs, or num_workers is not a whole number from 1.
    """

    def __init__(self, address: str = "auto", num_workers: int | None = None) -> None:
        if num_workers is not None and (isinstance(num_workers, bool) or num_workers < 1):
            raise OptionError(f"workers is {num_workers!r}, expected a whole number from 1")
        self._ray = _imported()
        self._is_own = not self._ray.is_initialized()
        if self._is_own:
            _connect(self._ray, address, num_workers)
        try:
            num_cpus = int(self._ray.cluster_resources().get("CPU", 0))
            if num_workers is None and num_cpus == 0:
                raise OptionError(f"the Ray cluster at {address!r} has no CPUs; give --workers")
        except BaseException:
            self.__exit__()
            raise
        self._num_workers = num_workers or num_cpus

    @property
    def num_workers(self) -> int:
        """How many jobs are done at once, at most."""
        return self._num_workers

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_own:
            with _sigterm_kept():
                self._ray.shutdown()

    def team(self, task: Task) -> _Team:
        """A team for a task, without any worker so far."""
        return _Team(self._ray, pickle.dumps(task))


class _Team:
    """Workers of the cluster that have one task; see ``Team``."""

    why_none = "the worker processes on the Ray cluster ended before their first run"

    def __init__(self, ray: Any, task: bytes) -> None:
        self._ray = ray
        self._task = ray.put(task)
        self._host = ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")(
            _host_class()
        )
        self._waiting_since_s: float | None = None

    def start(self, count: int) -> Sequence[_Worker]:
        """Ask for so many workers; each begins when a CPU is free for it."""
        started = []
        for _ in range(count):
            host = self._host.remote()
            answer = host.begin.remote(self._task, identity(), str(Path.cwd()))
            started.append(_Worker(self._ray, host, answer))
        return started

    def answers(self, workers: Sequence[_Worker]) -> Iterator[tuple[_Worker, Any]]:
        """Wait a while; then what workers have to say."""
        ray = self._ray
        asked = {worker.answer: worker for worker in workers if worker.answer is not None}
        try:
            ready, _ = ray.wait(list(asked), timeout=CHECK_S)
        except ray.exceptions.RayError as error:
            raise WorkerError(f"the Ray cluster is lost: {_first_line(error)}") from None
        self._check_patience(workers, bool(ready))
        for reference in ready:
            worker = asked[reference]
            worker.answer = None
            try:
                answer = ray.get(reference)
            except ray.exceptions.RayError as error:
                worker.end()
                answer = Gone(_first_line(error))
            else:
                if not worker.is_ready and isinstance(answer, str):
                    raise WorkerError(answer)
                if isinstance(answer, Death):
                    worker.end()
            yield worker, answer

    def close(self) -> None:
        """Nothing keeps workers alive but themselves."""

    def _check_patience(self, workers: Sequence[_Worker], is_answered: bool) -> None:
        """No machine may be left that has CPUs, or others use them."""
        now_s = time.monotonic()
        if is_answered or any(worker.is_ready for worker in workers):
            self._waiting_since_s = None
        elif self._waiting_since_s is None:
            self._waiting_since_s = now_s
        elif now_s - self._waiting_since_s > START_S:
            total = self._ray.cluster_resources().get("CPU", 0)
            free = self._ray.available_resources().get("CPU", 0)
            raise WorkerError(
                f"the Ray cluster began no worker within {START_S:g} s: it has {total:g} CPUs, of "
                f"which {free:g} are free"
            )


class _Worker:
    """A worker of the cluster, from this side.

    Attributes:
        job: the index of the job that it has.
        is_ready: whether it has begun, and said so.
        answer: refers to what it will answer; None: it has nothing to do.
    """

    def __init__(self, ray: Any, host: Any, answer: Any) -> None:
        self._ray, self._host = ray, host
        self.answer = answer
        self.job: int | None = None
        self.is_ready = False

    def send(self, job: bytes) -> None:
        """Have it do a pickled job."""
        self.answer = self._host.do.remote(job)

    def end(self) -> None:
        """End it at once; its process ends with it."""
        with suppress(self._ray.exceptions.RayError, ConnectionError):
            self._ray.kill(self._host)


def _host_class() -> type[Any]:
    """What Ray runs. A class in a function goes to other machines by value, not by its name.

    So a machine without lsched can say what it lacks.
    """

    class LschedHost:
        def begin(self, task: bytes, expected: dict[str, str], folder: str) -> Any:
            try:
                from lsched.ray_host import Host
            except ImportError as error:
                import platform

                return (
                    f"machine {platform.node()} of the Ray cluster lacks lsched, or what it needs "
                    f"({error}); install the same on all machines"
                )
            self._host = Host()
            return self._host.begin(task, expected, folder)

        def do(self, job: bytes) -> Any:
            return self._host.do(job)

    return LschedHost


def _imported() -> Any:
    try:
        import ray
    except ImportError as error:
        if error.name != "ray":
            raise
        raise OptionError(HOW_TO_GET_RAY) from None
    return ray


def _connect(ray: Any, address: str, num_workers: int | None) -> None:
    """Connect this process to a cluster.

    Raises:
        OptionError: that is not possible.
    """
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == LOCAL:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options |= {"num_cpus": num_workers or num_cores(), "include_dashboard": False}
    _check_port(address)
    _quieten(ray)
    try:
        with _sigterm_kept():
            ray.init(address=address, **options)
    except Exception as error:  # Ray raises many kinds, also this one itself
        if "ersion mismatch" in str(error):
            raise OptionError(f"the Ray cluster at {address!r} is another: {error}") from None
        raise OptionError(
            f"no Ray cluster at {address!r} ({_first_line(error)}); `ray start --head` begins one"
        ) from None


def _check_port(address: str) -> None:
    """Whether a cluster answers there; Ray itself takes minutes to say that none does."""
    place = address.rpartition("://")[2]
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise OptionError(f"no Ray cluster at {address!r}: {error}") from None
    if os.environ.get("RAY_USE_TLS", "0") != "0":
        return
    import grpc  # Ray's own protocol

    with grpc.insecure_channel(place, [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            grpc.channel_ready_future(channel).result(CONNECT_S)
        except grpc.FutureTimeoutError:
            raise OptionError(f"no Ray cluster at {address!r}: something else is there") from None


def _quieten(ray: ModuleType) -> None:
    """Ray prints what it thinks of machines that go away between the lines of a progress bar."""
    with suppress(AttributeError):
        ray._private.worker._worker_logs_enabled = False
    logging.getLogger("ray").setLevel(logging.CRITICAL)


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Ray puts another handler in the place of the caller's."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with suppress(ValueError, TypeError):  # not the main thread; not set from Python
            signal.signal(signal.SIGTERM, before)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
