"""Workers on the machines of a Ray cluster."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lsched.errors import OptionError, WorkerError
from lsched.executor import Death, Gone, Task
from lsched.ray_connection import (
    CHECK_S,
    ClusterLost,
    Head,
    connect,
    disconnect,
    first_line,
    imported_ray,
    loss_told,
)
from lsched.ray_host import identity

START_S = 300.0


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
        self._ray = imported_ray()
        self._is_own = not self._ray.is_initialized()
        if address == "auto":
            address = os.environ.get("RAY_ADDRESS") or address
        if self._is_own:
            connect(self._ray, address, num_workers)
        try:
            num_cpus = int(self._ray.cluster_resources().get("CPU", 0))
            if num_workers is None and num_cpus == 0:
                raise OptionError(f"the Ray cluster at {address!r} has no CPUs; give --workers")
            place = address.partition("://")[2]
            if not self._ray.util.client.ray.is_connected():
                place = self._ray.get_runtime_context().gcs_address
        except BaseException:
            self.__exit__()
            raise
        self._head = Head(place)
        self._num_workers = num_workers or num_cpus

    @property
    def num_workers(self) -> int:
        """How many jobs are done at once, at most."""
        return self._num_workers

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        if self._is_own:
            is_lost = kind is not None and issubclass(kind, ClusterLost)
            disconnect(self._ray, is_lost=is_lost)

    def team(self, task: Task) -> _Team:
        """A team for a task, without any worker so far."""
        self._head.wait()
        with loss_told(self._ray):
            return _Team(self._ray, self._head, pickle.dumps(task))


class _Team:
    """Workers of the cluster that have one task; see ``Team``."""

    why_none = "the worker processes on the Ray cluster ended before their first run"

    def __init__(self, ray: Any, head: Head, task: bytes) -> None:
        self._ray, self._head = ray, head
        self._task = ray.put(task)
        self._host = ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")(
            _host_class()
        )
        self._waiting_since_s: float | None = None

    def start(self, count: int) -> Sequence[_Worker]:
        """Ask for so many workers; each begins when a CPU is free for it."""
        started = []
        self._head.wait()
        with loss_told(self._ray):
            for _ in range(count):
                host = self._host.remote()
                answer = host.begin.remote(self._task, identity(), str(Path.cwd()))
                started.append(_Worker(self._ray, host, answer))
        return started

    def answers(self, workers: Sequence[_Worker]) -> Iterator[tuple[_Worker, Any]]:
        """Wait a while; then what workers have to say."""
        ray = self._ray
        asked = {worker.answer: worker for worker in workers if worker.answer is not None}
        self._head.check()
        with loss_told(ray):
            ready, _ = ray.wait(list(asked), timeout=CHECK_S)
        self._check_patience(workers, bool(ready))
        for reference in ready:
            worker = asked[reference]
            worker.answer = None
            with loss_told(ray):
                try:
                    answer = ray.get(reference)
                except ray.exceptions.RayError as error:
                    answer = Gone(first_line(error))
            if not worker.is_ready and isinstance(answer, str):
                raise WorkerError(answer)
            if isinstance(answer, Death | Gone):
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
        with loss_told(self._ray):
            self.answer = self._host.do.remote(job)

    def end(self) -> None:
        """End it at once; its process ends with it."""
        with suppress(ClusterLost), loss_told(self._ray):
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
