"""A digest of all that a scheduler's result on a case depends on, to not run it again."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType

import lsched
import sim
import traces
from sim import make_scheduler
from sim.registry import split_text

SCHEDULERS = "schedulers"
"""The directory of ``sim`` that simulates nothing: its files count for those made of them."""


def fingerprint(setting: Mapping[str, object], scheduler: str) -> str:
    """A digest of the setting, of the simulator, and of all that the scheduler is made of.

    That is its text, the file of its class (of one that comes with this project, all of the
    directory), the files and directories that its parameters name, and its ``files``, such as a
    policy's weights.
    """
    sha = hashlib.sha256(json.dumps(setting, sort_keys=True).encode())
    sha.update(_simulator())
    sha.update(scheduler.encode())
    made = make_scheduler(scheduler)
    source = Path(inspect.getfile(type(made)))
    is_own = any(source.is_relative_to(_folder(package)) for package in (sim, lsched))
    named = [Path(value) for value in split_text(scheduler)[1].values()]
    files = getattr(made, "files", ())
    for path in (source.parent if is_own else source, *named, *files):
        _add(sha, sorted(path.rglob("*")) if path.is_dir() else [path])
    return sha.hexdigest()


@cache
def _simulator() -> bytes:
    sha = hashlib.sha256()
    for package in (traces, sim):
        files = (path for path in _folder(package).rglob("*") if path.suffix in (".py", ".gz"))
        _add(sha, sorted(path for path in files if path.parent.name != SCHEDULERS))
    return sha.digest()


def _folder(package: ModuleType) -> Path:
    return Path(package.__file__ or "").parent


def _add(sha: hashlib._Hash, paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_file() and path.parent.name != "__pycache__":
            sha.update(path.name.encode())
            sha.update(path.read_bytes())
