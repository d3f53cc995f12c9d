"""On a machine of a Ray cluster: one worker process, and what it needs before it begins.

Ray's own process only looks after it. So a job that ends its process is told from a machine that
goes away, and everything a job sees is as on one machine (``lsched.workers``).
"""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import lsched
import sim
import traces
from lsched.digests import add_files, folder_of
from lsched.errors import OptionError
from lsched.executor import Death, Raised, Task
from lsched.workers import ProcessTeam, ProcessWorker

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

PACKAGES = (lsched, sim, traces)
LIBRARIES = ("numba", "numpy", "scipy")
"""That results depend on, in their last digits at least."""


class Host:
    """One worker process on this machine."""

    def __init__(self) -> None:
        self._team: ProcessTeam | None = None
        self._workers: list[ProcessWorker] = []

    def begin(self, task: bytes, expected: dict[str, str], folder: str) -> str | Death | None:
        """Start the process; None: it is ready. A text: why nothing can be done here.

        Args:
            task: a pickled ``Task``.
            expected: the caller's ``identity``.
            folder: where the caller is, and so the process is, if there is one of that name.
        """
        try:
            _check_identity(expected)
            with suppress(OSError):
                os.chdir(folder)
            # The process would import Ray's script as if it were the caller's.
            sys.modules["__main__"].__file__ = None
            with _first_alone(Path(lsched.__file__)):
                self._team = ProcessTeam(pickle.dumps((_prepared_or_done, task)))
                self._workers = list(self._team.start(1))
                answer = self._answer() or self.do(pickle.dumps(None))
            if isinstance(answer, Raised):
                raise answer.error
        except Exception as error:
            return f"machine {platform.node()} of the Ray cluster: {error}"
        assert answer is None or isinstance(answer, Death)
        return answer

    def do(self, job: bytes) -> Any:
        """What the process answers to a pickled job: its result, Raised or Death."""
        self._workers[0].send(job)
        return self._answer()

    def _answer(self) -> Any:
        assert self._team is not None
        while True:
            for _, answer in self._team.answers(self._workers):
                return answer


_task: Task | None = None
"""In the process that does jobs."""


def _prepared_or_done(task: bytes, job: Any) -> Any:
    """The first call makes all ready, each later one does a job."""
    global _task
    if _task is None:
        _task = pickle.loads(task)
        assert _task is not None
        if _task.prepare is not None:
            _task.prepare(_task.shared)
        return None
    return _task.function(_task.shared, job)


def _check_identity(expected: dict[str, str]) -> None:
    found = identity()
    other = [
        f"{name} is {found[name]}, expected {version}"
        for name, version in expected.items()
        if found[name] != version
    ]
    if other:
        raise OptionError(f"{'; '.join(other)}; results could differ: install the same everywhere")


@contextmanager
def _first_alone(path: Path) -> Iterator[None]:
    """Whoever comes first on a machine goes alone; all others wait for it, and then go together.

    So what has to be compiled is compiled once, and found on disk by the others.

    Args:
        path: any file that is always there.
    """
    with path.open() as file:
        _lock(file)
        yield


def _lock(file: IO[str]) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        with suppress(OSError):  # no locks on this file system
            fcntl.flock(file, fcntl.LOCK_SH)


@cache
def identity() -> dict[str, str]:
    """What must be the same wherever runs are done, by what to call it."""
    sources = hashlib.sha256()
    add_files(sources, map(folder_of, PACKAGES))
    return {
        "Python": platform.python_version(),
        "lsched": f"{lsched.__version__} ({sources.hexdigest()[:8]})",
        **{name: _version(name) for name in LIBRARIES},
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"
