"""Where jobs are done: one small interface, with processes or a cluster behind it.

``crew.Crew`` says who does what when, and what becomes of jobs whose worker dies. An executor has
nothing to do but to start workers, to bring them jobs, and to say what came of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Death:
    """In place of a job's result: why there is none, in a few words. Its worker has ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """What a worker answers that was taken away, through no fault of its job: with its machine."""

    reason: str


@dataclass(frozen=True, slots=True)
class Raised:
    """What a worker answers where a job raised an error."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Task:
    """What the workers of a team do.

    Attributes:
        function: called with ``shared`` and a job. Workers import it.
        shared: what all jobs share; goes to each worker once.
        prepare: called with ``shared`` on each machine before its first job, or None.
    """

    function: Callable[[Any, Any], Any]
    shared: Any
    prepare: Callable[[Any], object] | None = None


class Worker(Protocol):
    """Does one job at a time.

    Attributes:
        job: the index of the job that it has.
        is_ready: whether it has begun, and said so.
    """

    job: int | None
    is_ready: bool

    def send(self, job: bytes) -> None:
        """Have it do a pickled job; the answer comes from ``Team.answers``."""

    def end(self) -> object:
        """End it, whatever it does."""


class Team(Protocol):
    """Workers that have one task.

    Attributes:
        why_none: what to say where no worker came as far as to do a job.
    """

    why_none: str

    def start(self, count: int) -> Sequence[Worker]:
        """Start so many workers. Each answers None when it is ready."""

    def answers(self, workers: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """Wait a while; then what workers have to say: None, a result, Raised, Death or Gone.

        After the last two of these there is no such worker any more.
        """

    def close(self) -> None:
        """End whatever keeps workers alive; ``Worker.end`` comes after it."""


@runtime_checkable
class Executor(Protocol):
    """Has workers to give."""

    @property
    def num_workers(self) -> int:
        """How many jobs are done at once, at most."""

    def team(self, task: Task) -> Team:
        """A team for a task, without any worker so far."""
