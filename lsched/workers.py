"""Worker processes for many jobs, some of which may take their worker with them.

A worker has one job at a time, so a worker that dies says at which job. The fault may still be
another's, a neighbour's that took all memory, say. So the job is done again when all others are
over, in a new process with nothing beside it; if that dies too, the job is lost, and only that job.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from lsched.errors import WorkerError

J = TypeVar("J")
R = TypeVar("R")

MAX_DEATHS = 3
"""Jobs of a kind that die before no more workers are spent on the kind."""
CHECK_S, END_S = 1.0, 5.0


@dataclass(frozen=True, slots=True)
class Death:
    """In place of a job's result: why there is none, in a few words."""

    reason: str


class JobError(Exception):
    """A job raised an error.

    Attributes:
        index: which job.
        error: what it raised.
    """

    def __init__(self, index: int, error: BaseException) -> None:
        super().__init__(index, error)
        self.index, self.error = index, error


class Workers(Generic[J, R]):
    """Does jobs in worker processes. Leaving the context ends all of them at once.

    Args:
        function: called with ``shared`` and a job. Workers import it, and so the caller's script.
        shared: what all jobs share; goes to each worker once.
        jobs: what there is to do.
        kind: of a job; jobs of one kind are likely to die alike.
    """

    def __init__(
        self,
        function: Callable[[Any, J], R],
        shared: object,
        jobs: Sequence[J],
        kind: Callable[[J], Hashable],
    ) -> None:
        self._task = pickle.dumps((function, shared))
        self._jobs = jobs
        self._kinds = [kind(job) for job in jobs]
        self._workers: list[_Worker] = []
        self._has_begun = False
        # Nothing is ever sent: workers end at once when the other end closes, also because this
        # process has died.
        self._lifeline, self._held = multiprocessing.get_context("spawn").Pipe(duplex=False)

    def __enter__(self) -> Workers[J, R]:
        with _signals_blocked():  # the tracker inherits this, and its start ends it
            resource_tracker.ensure_running()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()
        self._lifeline.close()
        for worker in self._workers:
            worker.end()

    def do_all(self, size: int, progress: Callable[[int, int], None]) -> list[R | Death]:
        """Do every job in up to ``size`` processes; the results are in the order of the jobs.

        Once ``MAX_DEATHS`` jobs of a kind have died, those of it that have not begun wait for the
        end as well; once so many have died there too, the rest of the kind is given up. So jobs
        that always die cost a few workers, however many they are.

        Args:
            size: processes.
            progress: called with the number of jobs that are over and of all jobs, after each.

        Raises:
            JobError: a job raised an error; of several, the first in the order of the jobs.
            WorkerError: no worker came as far as to do a job.
        """
        results: dict[int, R | Death] = {}

        def record(index: int, result: R | Death) -> None:
            results[index] = result
            progress(len(results), len(self._jobs))

        suspects = self._do(range(len(self._jobs)), size, record)
        deaths: Counter[Hashable] = Counter()
        for index in sorted(suspects):
            kind = self._kinds[index]
            if deaths[kind] == MAX_DEATHS:
                record(index, Death(f"not run, after {MAX_DEATHS} others like it died"))
                continue
            for lost, death in self._do([index], 1, record).items():
                deaths[kind] += 1
                record(lost, death)
        return [results[index] for index in range(len(self._jobs))]

    def _do(
        self, indices: Iterable[int], size: int, record: Callable[[int, R], None]
    ) -> dict[int, Death]:
        """Do jobs in new processes; those that are left undone, and why."""
        waiting = deque(indices)
        undone: dict[int, Death] = {}
        deaths: Counter[Hashable] = Counter()
        failure: JobError | None = None
        self._start(min(size, len(waiting)))
        while self._workers:
            for worker, answer in self._answers():
                index, worker.job = worker.job, None
                if isinstance(answer, Death):
                    if index is not None:  # else it did not start, and nor would another
                        undone[index] = answer
                        kind = self._kinds[index]
                        deaths[kind] += 1
                        if deaths[kind] == MAX_DEATHS:
                            late = {other for other in waiting if self._kinds[other] == kind}
                            undone.update(dict.fromkeys(late, answer))
                            waiting = deque(other for other in waiting if other not in late)
                        self._start(min(1, len(waiting)))
                    continue
                if index is not None:
                    if isinstance(answer, _Raised):
                        if failure is None or index < failure.index:
                            failure = JobError(index, answer.error)
                        waiting.clear()
                    else:
                        record(index, answer)
                if waiting:
                    worker.job = waiting.popleft()
                    worker.send(pickle.dumps(self._jobs[worker.job]))
                else:
                    self._workers.remove(worker)
                    worker.end()
            # Jobs go out in order, so those before the failure are over or being done.
            if failure is not None and not any(
                worker.job is not None and worker.job < failure.index for worker in self._workers
            ):
                raise failure
        if waiting and not self._has_begun:
            raise WorkerError(
                "the worker processes ended before their first run; workers need a script in a "
                "file, with `if __name__ == '__main__':`"
            )
        return undone | dict.fromkeys(waiting, Death("worker process did not start"))

    def _start(self, count: int) -> None:
        started = [_Worker(self._lifeline) for _ in range(count)]
        self._workers += started
        for worker in started:  # all together, as a long message waits until it is read
            worker.send(self._task)

    def _answers(self) -> Iterator[tuple[_Worker, Any]]:
        """Workers that have something to say: ready (None), a result, or a death."""
        ready = wait([worker.connection for worker in self._workers], CHECK_S)
        for worker in list(self._workers):
            if worker.connection in ready:
                try:
                    answer = worker.connection.recv()
                    self._has_begun = True
                    yield worker, answer
                    continue
                except (EOFError, OSError):
                    pass
            # A connection stays open where the dead worker's own children hold it.
            elif worker.process.is_alive():
                continue
            self._workers.remove(worker)
            yield worker, worker.end()


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a worker answers where a job raised an error."""

    error: BaseException


class _Worker:
    """A worker process, from this side.

    Attributes:
        job: the index of the job that it has.
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
                answer = _Raised(_portable(error))


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
