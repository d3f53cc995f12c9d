"""Errors of this layer."""


class OptionError(ValueError):
    """An option, or a combination of options, that makes no sense."""


class WorkerError(RuntimeError):
    """A worker process ended without an answer, for instance because memory ran out."""
