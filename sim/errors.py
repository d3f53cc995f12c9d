"""Errors of the simulator."""


class ClusterError(ValueError):
    """A cluster that cannot exist, such as one without executors."""


class InvalidSchedule(ValueError):
    """A scheduler's answer breaks a rule; names the rule, what was given and what was allowed."""


class OnlyFast(ValueError):
    """What was asked only the engine ``fast`` can say."""


class Stalled(RuntimeError):
    """Queries are left, but nothing runs, nothing will arrive, and nothing was scheduled."""


class UnknownScheduler(LookupError):
    """No scheduler of that name, or not with those parameters."""


class SchedulerError(RuntimeError):
    """A scheduler raised an exception of its own, which is this one's cause."""
