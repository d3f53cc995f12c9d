"""Worker processes on this machine."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from lsched.executor import Death, Raised, Task

CHECK_S, END_S = 1.0, 5.0


@dataclass(frozen=True, slots=True)
class Processes:
    """Runs jobs in processes of this machine; see ``Executor``.

    Attributes:
        num_workers: so many at once.
    """

    num_workers: int

    def team(self, task: Task) -> ProcessTeam:
        """A team for a task, without any process so far."""
        if task.prepare is not None:
            task.prepare(task.shared)
        return ProcessTeam(pickle.dumps((task.function, task.shared)))


class ProcessTeam:
    """Processes that have one task; see ``Team``.

    Args:
        task: what they do, pickled: a function and what is shared.
    """

    why_none = (
        "the worker processes ended before their first run; workers need a script in a file, with "
        "`if __name__ == '__main__':`"
    )

    def __init__(self, task: bytes) -> None:
        self._task = task
        # Nothing is ever sent: workers end at once when the other end closes, also because this
        # process has died.
        self._lifeline, self._held = multiprocessing.get_context("spawn").Pipe(duplex=False)
        with _signals_blocked():  # the tracker inherits this, and its start ends it
            resource_tracker.ensure_running()

    def start(self, count: int) -> Sequence[ProcessWorker]:
        """Start so many processes."""
        started = [ProcessWorker(self._lifeline) for _ in range(count)]
        for worker in started:  # all together, as a long message waits until it is read
            worker.send(self._task)
        return started

    def answers(self, workers: Sequence[ProcessWorker]) -> Iterator[tuple[ProcessWorker, Any]]:
        """What workers have to say: that they are ready (None), a result, or a death."""
        ready = wait([worker.connection for worker in workers], CHECK_S)
        for worker in list(workers):
            if worker.connection in ready:
                try:
                    answer = worker.connection.recv()
                except (EOFError, OSError):
                    answer = worker.end()
            # A connection stays open where the dead worker's own children hold it.
            elif worker.process.is_alive():
                continue
            else:
                answer = worker.end()
            yield worker, answer

    def close(self) -> None:
        """End all at once."""
        self._held.close()
        self._lifeline.close()


class ProcessWorker:
    """A worker process, from this side.

    Attributes:
        job: the index of the job that it has.
        is_ready: whether it has begun, and said so.
    """

    def __init__(self, lifeline: Connection) -> None:
        # "spawn" starts clean processes: the same on every platform, and safe where threads run.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, lifeline))
        with _signals_blocked():
            self.process.start()
        theirs.close()
        self.job: int | None = None
        self.is_ready = False

    def send(self, message: bytes) -> None:
        """Send something pickled."""
        with suppress(OSError):  # it has died, which will be noticed
            self.connection.send_bytes(message)

    def end(self) -> Death:
        """End it, and how it ended."""
        self.connection.close()
        self.process.join(END_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        code = self.process.exitcode or 0
        self.process.close()
        if code == errno.ENOMEM:
            return Death("worker process ran out of memory")
        if code >= 0:
            return Death(f"worker process ended with exit code {code}")
        name = signal.Signals(-code).name
        hint = ", perhaps out of memory" if name == "SIGKILL" else ""
        return Death(f"worker process ended by {name}{hint}")


_STOPS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@contextmanager
def _signals_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(connection: Connection, lifeline: Connection) -> None:
    """In a worker process: get the task, then do one job after the other."""
    for stop in _STOPS:
        if stop != signal.SIGTERM:
            signal.signal(stop, signal.SIG_IGN)  # the parent gets it as well, and ends workers
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    with suppress(EOFError, OSError):  # the parent needs no more
        function, shared = connection.recv()
        answer = None
        while True:
            connection.send(answer)
            job = connection.recv()
            try:
                answer = function(shared, job)
            except MemoryError:
                os._exit(errno.ENOMEM)  # as if the system had killed it
            except BaseException as error:
                answer = Raised(_portable(error))


def _end_with_parent(lifeline: Connection) -> None:
    lifeline.poll(None)
    os._exit(1)


def _portable(error: BaseException) -> BaseException:
    """An error that can be sent, with the traceback that sending loses as a note."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(traceback.format_exc())
    return error
