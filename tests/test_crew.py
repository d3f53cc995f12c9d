"""Who does which job when workers die, go away or raise, with workers that only pretend."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from lsched.crew import MAX_MOVES, Crew, JobError, executor_of
from lsched.errors import OptionError, WorkerError
from lsched.executor import Death, Gone, Raised, Task

Plan = Callable[[int, int], Any]
"""What comes of a job, done for the so-many-th time."""


class PretendedWorker:
    def __init__(self) -> None:
        self.job: int | None = None
        self.is_ready = False
        self.message: Any = None
        self.has_ended = False

    def send(self, job: bytes) -> None:
        assert not self.has_ended
        self.message = pickle.loads(job)

    def end(self) -> None:
        self.has_ended = True


class Pretended:
    """An executor and team; ``plan`` says how jobs go, ``first`` what new workers answer."""

    why_none = "none began"

    def __init__(self, plan: Plan, num_workers: int = 2, first: object = None) -> None:
        self.plan, self.num_workers, self.first = plan, num_workers, first
        self.done: list[int] = []
        self.num_started = 0
        self.beside: dict[int, int] = {}

    def team(self, task: Task) -> Pretended:
        return self

    def start(self, count: int) -> Sequence[PretendedWorker]:
        self.num_started += count
        return [PretendedWorker() for _ in range(count)]

    def answers(self, workers: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        asked = [worker for worker in workers if not worker.is_ready or worker.job is not None]
        assert asked, "nobody has anything to say, ever"
        worker = asked[-1]  # later jobs are over sooner
        if not worker.is_ready:
            yield worker, self.first
            return
        job = worker.message
        self.done.append(job)
        self.beside[job] = len(workers)
        yield worker, self.plan(job, self.done.count(job))

    def close(self) -> None:
        pass


def do_all(executor: Pretended, num_jobs: int = 6) -> list[Any]:
    with Crew(executor, lambda shared, job: job, None) as crew:
        return crew.do_all(list(range(num_jobs)))


def test_workers_stay_for_more_jobs_and_end_with_the_crew() -> None:
    executor = Pretended(lambda job, time: 10 * job, num_workers=3)
    with Crew(executor, lambda shared, job: job, None) as crew:
        assert crew.do_all([0, 1, 2, 3]) == [0, 10, 20, 30]
        workers = list(crew._workers)
        assert crew.do_all([5]) == [50]
        assert executor.num_started == 3
        assert not any(worker.has_ended for worker in workers)
    assert all(worker.has_ended for worker in workers)


def test_a_job_whose_machine_goes_away_is_done_elsewhere() -> None:
    executor = Pretended(lambda job, time: Gone("away") if job == 2 and time < 4 else job)
    assert do_all(executor) == [0, 1, 2, 3, 4, 5]
    assert executor.done.count(2) == 4
    assert executor.num_started == 2 + 3


def test_a_job_whose_machine_always_goes_away_is_lost_alone() -> None:
    executor = Pretended(lambda job, time: Gone("away") if job == 2 else job)
    assert do_all(executor) == [0, 1, Death("away"), 3, 4, 5]
    assert executor.done.count(2) == 2 * (MAX_MOVES + 1)
    assert executor.beside[2] == 1, "the last time nothing is beside it"


def test_the_first_error_counts_also_where_its_job_moves() -> None:
    def plan(job: int, time: int) -> Any:
        if job == 1 and time == 1:
            return Gone("away")
        return Raised(ValueError(job)) if job in (1, 3) else job

    executor = Pretended(plan)
    with pytest.raises(JobError) as caught:
        do_all(executor)
    assert (caught.value.index, caught.value.error.args) == (1, (1,))
    assert 5 not in executor.done, "what comes after an error is not begun"


def test_workers_that_go_away_before_they_begin_are_not_started_for_ever() -> None:
    with pytest.raises(WorkerError, match="workers end before they begin: no room"):
        do_all(Pretended(lambda job, time: job, first=Gone("no room")))
    with pytest.raises(WorkerError, match="none began"):
        do_all(Pretended(lambda job, time: job, first=Death("broken")))


@pytest.mark.parametrize("workers", [0, True, "2", 1.5, None])
def test_what_is_no_executor(workers: Any) -> None:
    with pytest.raises(OptionError, match=r"workers is .*, expected a whole number from 1"):
        executor_of(workers)
