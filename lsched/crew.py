"""Many jobs for workers, some of which may take their worker with them.

A worker has one job at a time, so a worker that dies says at which job. The fault may still be
another's, a neighbour's that took all memory, say. So the job is done again when all others are
over, by a new worker with nothing beside it; if that dies too, the job is lost, and only that job.
A job whose machine is gone is innocent, and done again elsewhere at once.
"""

from __future__ import annotations

import pickle
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from lsched.errors import OptionError, WorkerError
from lsched.executor import Death, Executor, Gone, Raised, Task, Team, Worker
from lsched.workers import Processes

J = TypeVar("J")
R = TypeVar("R")

MAX_DEATHS = 3
"""Jobs of a kind that die before no more workers are spent on the kind."""
MAX_MOVES = 5
"""Times that a job goes on elsewhere as its worker is gone, before it counts as one that died."""
MAX_FUTILE = 3
"""Workers gone before they were ready, for each one wanted, before no more are started."""


class JobError(Exception):
    """A job raised an error.

    Attributes:
        index: which job.
        error: what it raised.
    """

    def __init__(self, index: int, error: BaseException) -> None:
        super().__init__(index, error)
        self.index, self.error = index, error


class Crew(Generic[J, R]):
    """Does jobs, and may be asked again. Leaving the context ends all of its workers at once.

    Args:
        executor: who does the jobs; None: this process, and what jobs raise comes through as it is.
        function: called with ``shared`` and a job. Workers import it, and processes of this machine
            the caller's script too.
        shared: what all jobs share; goes to each worker once.
        kind: of a job; jobs of one kind are likely to die alike.
        prepare: called with ``shared`` once on each machine before workers begin; see ``Task``.
    """

    def __init__(
        self,
        executor: Executor | None,
        function: Callable[[Any, J], R],
        shared: object,
        kind: Callable[[J], Hashable] = lambda job: None,
        prepare: Callable[[Any], object] | None = None,
    ) -> None:
        self._function, self._shared, self._kind = function, shared, kind
        self._workers: list[Worker] = []
        self._has_begun = False
        self.size = 1 if executor is None else executor.num_workers
        self._team: Team | None = None
        if executor is not None:
            self._team = executor.team(Task(function, shared, prepare))

    def __enter__(self) -> Crew[J, R]:
        return self

    def __exit__(self, *_: object) -> None:
        if self._team is not None:
            self._team.close()
        self._end_all()

    def do_all(
        self,
        jobs: Sequence[J],
        progress: Callable[[int, int], None] | None = None,
        each: Callable[[J, R | Death], None] | None = None,
    ) -> list[R | Death]:
        """Do every job; the results are in the order of the jobs.

        Once ``MAX_DEATHS`` jobs of a kind have died, those of it that have not begun wait for the
        end as well; once so many have died there too, the rest of the kind is given up. So jobs
        that always die cost a few workers, however many they are.

        Args:
            jobs: what there is to do.
            progress: called with the number of jobs that are over and of all jobs, after each.
            each: called with a job and its result, as soon as it is over.

        Raises:
            JobError: a job raised an error; of several, the first in the order of the jobs.
            WorkerError: no worker came as far as to do a job.
        """
        results: dict[int, R | Death] = {}

        def record(index: int, result: R | Death) -> None:
            results[index] = result
            if each is not None:
                each(jobs[index], result)
            if progress is not None:
                progress(len(results), len(jobs))

        if self._team is None:
            for index, job in enumerate(jobs):
                record(index, self._function(self._shared, job))
        else:
            suspects = self._do(self._team, jobs, range(len(jobs)), self.size, record)
            self._do_alone(self._team, jobs, sorted(suspects), record)
        return [results[index] for index in range(len(jobs))]

    def _do_alone(
        self,
        team: Team,
        jobs: Sequence[J],
        indices: Iterable[int],
        record: Callable[[int, R | Death], None],
    ) -> None:
        """Do jobs one by one, each by a new worker; those that die are lost."""
        deaths: Counter[Hashable] = Counter()
        for index in indices:
            kind = self._kind(jobs[index])
            if deaths[kind] == MAX_DEATHS:
                record(index, Death(f"not run, after {MAX_DEATHS} others like it died"))
                continue
            self._end_all()
            for lost, death in self._do(team, jobs, [index], 1, record).items():
                deaths[kind] += 1
                record(lost, death)

    def _do(
        self,
        team: Team,
        jobs: Sequence[J],
        indices: Iterable[int],
        size: int,
        record: Callable[[int, R], None],
    ) -> dict[int, Death]:
        """Do jobs; those that are left undone, and why."""
        waiting = deque(indices)
        undone: dict[int, Death] = {}
        deaths: Counter[Hashable] = Counter()
        moves: Counter[int] = Counter()
        num_futile = 0
        failure: JobError | None = None
        self._start(team, min(size, len(waiting)) - len(self._workers))
        while self._workers:
            # Jobs go out in order, so those before a failure are over, or done, or wait again.
            self._hand_out(jobs, waiting)
            if not waiting and all(worker.job is None for worker in self._workers):
                break
            if failure is not None and not any(
                worker.job is not None and worker.job < failure.index for worker in self._workers
            ):
                break
            for worker, answer in team.answers(self._workers):
                index, worker.job = worker.job, None
                was_ready, worker.is_ready = worker.is_ready, True
                if isinstance(answer, Gone):
                    self._workers.remove(worker)
                    num_futile += not was_ready
                    if num_futile > MAX_FUTILE * size:
                        raise WorkerError(f"workers end before they begin: {answer.reason}")
                    if index is not None:
                        moves[index] += 1
                        if moves[index] <= MAX_MOVES:
                            waiting = deque(sorted((index, *waiting)))
                        else:
                            undone[index] = Death(answer.reason)
                    self._start(team, min(1, len(waiting)))
                elif isinstance(answer, Death):
                    self._workers.remove(worker)
                    if index is not None:
                        undone[index] = answer
                        kind = self._kind(jobs[index])
                        deaths[kind] += 1
                        if deaths[kind] == MAX_DEATHS:
                            late = {at for at in waiting if self._kind(jobs[at]) == kind}
                            undone.update(dict.fromkeys(late, answer))
                            waiting = deque(at for at in waiting if at not in late)
                    if was_ready:  # else it did not start, and nor would another
                        self._start(team, min(1, len(waiting)))
                else:
                    self._has_begun, num_futile = True, 0
                    if index is None:
                        continue
                    if not isinstance(answer, Raised):
                        record(index, answer)
                    elif failure is None or index < failure.index:
                        failure = JobError(index, answer.error)
                        waiting = deque(at for at in waiting if at < index)
        if failure is not None:
            raise failure
        if waiting and not self._has_begun:
            raise WorkerError(team.why_none)
        return undone | dict.fromkeys(waiting, Death("worker process did not start"))

    def _start(self, team: Team, count: int) -> None:
        if count > 0:
            self._workers += team.start(count)

    def _hand_out(self, jobs: Sequence[J], waiting: deque[int]) -> None:
        """A job to each worker that is ready and has none."""
        for worker in self._workers:
            if not waiting:
                return
            if worker.is_ready and worker.job is None:
                worker.job = waiting.popleft()
                worker.send(pickle.dumps(jobs[worker.job]))

    def _end_all(self) -> None:
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.end()


def executor_of(workers: int | Executor) -> Executor | None:
    """Who does jobs: so many processes, or another executor; None: this process.

    Raises:
        OptionError: it is neither a whole number from 1 nor an executor.
    """
    if isinstance(workers, Executor):
        return workers
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise OptionError(f"workers is {workers!r}, expected a whole number from 1")
    return None if workers == 1 else Processes(workers)
