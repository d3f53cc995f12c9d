"""Errors of this layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class OptionError(ValueError):
    """An option, or a combination of options, that makes no sense."""


class CheckpointError(ValueError):
    """A policy's files are missing, damaged, or not for this version; names the file."""


class WorkerError(RuntimeError):
    """Worker processes ended without any answer, for instance because memory ran out."""


class CheckError(RuntimeError):
    """A scheduler does not pass its checks, which has been told."""


class IncompleteError(RuntimeError):
    """All that could be done is done and written, but runs are missing."""


def missing_runs(incomplete: Sequence[Mapping[str, object]]) -> str:
    """The first of ``Comparison.incomplete`` in words, and how many more there are."""
    first = incomplete[0]
    more = f" (and {len(incomplete) - 1} more)" if len(incomplete) > 1 else ""
    return (
        f"trace {first['trace']!r}, {first['arrivals']}, scheduler {first['scheduler']!r}, seed "
        f"{first['seed']}: {first['reason']}{more}"
    )
