"""Kill a command before each step that it takes on files, one step per run.

``python kill_points.py FOLDER STRIDE WORD...`` runs ``lsched WORD...`` again and again, in a copy
of ``FOLDER/before`` each time: ``FOLDER/1``, ``FOLDER/2`` … Before step 1, 1 + STRIDE … (a file
opened for writing, synchronised, renamed, removed; a directory made or removed) the process kills
itself with SIGKILL. What it left is copied to ``FOLDER/N-killed``; then the command runs in
``FOLDER/N`` undisturbed. It ends with the first run that comes to its end before its step; that
one is in ``FOLDER/done``. A run that opens a file for writing under a final name ends with code 99.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

from lsched.cli import main
from traces.output import TEMPORARY

STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.truncate"}
FINAL_NAME = 99


def is_temporary(path: Path) -> bool:
    return any(TEMPORARY.fullmatch(part) for part in path.parts)


def kill_before(step: int, place: Path) -> None:
    """From now on count steps below ``place``; kill this process before one of them."""
    steps = count(1)

    def take_step() -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if event not in STEPS or not isinstance(args[0], str | bytes | os.PathLike):
            return
        path = Path(os.path.abspath(os.fsdecode(args[0])))  # noqa: PTH100  # as it is, no link followed
        if not path.is_relative_to(place):
            return
        if event == "open":
            if not args[2] & (os.O_WRONLY | os.O_RDWR):
                return
            if not is_temporary(path):
                os._exit(FINAL_NAME)
        take_step()

    synchronise = os.fsync

    def fsync(descriptor: int) -> None:
        take_step()
        synchronise(descriptor)

    os.fsync = fsync
    sys.addaudithook(watch)


def run(place: Path, words: list[str], step: int = 0) -> int:
    """Exit code of a run of its own process in ``place``; negative where a signal ended it."""
    process = os.fork()
    if process == 0:
        os.chdir(place)
        kill_before(step, place)
        os._exit(main(words))
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def run_all(folder: Path, stride: int, words: list[str]) -> int:
    shutil.copytree(folder / "before", folder / "done")
    os.chdir(folder / "done")
    code = main(words)  # in this process, so that those of the others begin with all imported
    for step in count(1, stride):
        if code != 0:
            return code
        place = folder / str(step)
        shutil.copytree(folder / "before", place)
        code = run(place, words, step)
        if code != -signal.SIGKILL:
            shutil.rmtree(place)
            return code
        shutil.copytree(place, folder / f"{step}-killed")
        for path in place.rglob("*"):
            if is_temporary(path):
                os.utime(path, (0, 0))  # as if it had been there for long
        code = run(place, words)
    raise AssertionError


if __name__ == "__main__":
    sys.exit(run_all(Path(sys.argv[1]).resolve(), int(sys.argv[2]), sys.argv[3:]))
