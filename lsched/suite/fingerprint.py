"""A digest of all that a scheduler's result on a case depends on, to not run it again."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import lsched
import sim
import traces
from lsched.digests import add_files, folder_of
from lsched.needed_files import files_read
from sim import make_scheduler

SCHEDULERS = "schedulers"
"""The directory of ``sim`` that simulates nothing: its files count for those made of them."""


def fingerprint(setting: Mapping[str, object], scheduler: str) -> str:
    """A digest of the setting, of the simulator, and of all that the scheduler is made of.

    That is its text, the file of its class (of one that comes with this project, all of the
    directory), and what it reads, see ``files_read``.
    """
    sha = hashlib.sha256(json.dumps(setting, sort_keys=True).encode())
    sha.update(_simulator())
    sha.update(scheduler.encode())
    made = make_scheduler(scheduler)
    source = Path(inspect.getfile(type(made)))
    is_own = any(source.is_relative_to(folder_of(package)) for package in (sim, lsched))
    add_files(sha, (source.parent if is_own else source, *files_read(scheduler, made)))
    return sha.hexdigest()


@cache
def _simulator() -> bytes:
    sha = hashlib.sha256()
    for package in (traces, sim):
        files = (path for path in folder_of(package).rglob("*") if path.suffix in (".py", ".gz"))
        add_files(sha, sorted(path for path in files if path.parent.name != SCHEDULERS))
    return sha.digest()
