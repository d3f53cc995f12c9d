"""Where in a scheduler's own code something happened."""

from __future__ import annotations

import inspect
import os
import traceback
from pathlib import Path

from sim import SchedulerError
from sim.registry import scheduler_class, split_text


def home_of(scheduler: str) -> Path | None:
    """The directory of a scheduler's code; None where it cannot be told, as in a notebook."""
    name, _ = split_text(scheduler)
    path, dot, _ = name.rpartition(".py:")
    try:
        file = f"{path}.py" if dot else inspect.getfile(scheduler_class(name))
    except (SchedulerError, TypeError, OSError):
        return None
    return Path(file).resolve().parent


def blame(error: BaseException, home: Path | None) -> str:
    """What was raised, and where: ``mine.py:12, in decide: ZeroDivisionError: … (1 // 0)``.

    The innermost place in the scheduler's own code counts, not one in a library that it calls.
    """
    what = f"{type(error).__name__}: {error}".removesuffix(": ")
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename)}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return what
    frame = next((each for each in reversed(frames) if _is_in(each.filename, home)), frames[-1])
    code = f" ({frame.line})" if frame.line else ""
    return f"{_shown(frame.filename)}:{frame.lineno}, in {frame.name}: {what}{code}"


def _is_in(filename: str, home: Path | None) -> bool:
    path = Path(filename).resolve()
    if home is None or not path.is_relative_to(home):
        return False
    return "site-packages" not in path.relative_to(home).parts


def _shown(filename: str) -> str:
    """Relative to the current directory, where it is in it."""
    path = Path(filename)
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else filename
