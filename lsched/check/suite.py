"""All checks, in order: how runs end first, then what decisions must not depend on."""

from __future__ import annotations

from collections.abc import Callable

from lsched.check import dependence, outcomes
from lsched.check.place import blame, home_of
from lsched.check.report import Finding, Report, Result
from lsched.check.situations import situations
from lsched.check.subject import Runs, Subject
from lsched.check.watch import MAX_DECISION_S, Run
from sim import Scheduler, SchedulerError
from sim.registry import registered_name

MAX_MEDIAN_MS = 10.0
REPETITION = "same seed, same decisions"
DEPENDENCE: dict[str, Callable[[Subject, Runs], Result]] = {
    REPETITION: dependence.on_repetition,
    "… in another process": dependence.on_process,
    "… after other runs": dependence.on_earlier_runs,
    "… whatever is hidden": dependence.on_hidden_state,
    "… on both engines": dependence.on_engine,
}
"""What they compare must be repeatable: where the first one fails, the others say nothing."""


def check_scheduler(
    scheduler: str | type[Scheduler],
    *,
    max_median_ms: float = MAX_MEDIAN_MS,
    max_decision_s: float = MAX_DECISION_S,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Check that a scheduler is legal, comes to an end, and depends on nothing that it must not.

    Example:
        >>> report = check_scheduler("my_rule.py:ShortestFirst")
        >>> [finding.text for finding in report.failed]

    Args:
        scheduler: a name with parameters, ``path/to/file.py:ClassName``, or a class.
        max_median_ms: median time of a decision above which there is a warning.
        max_decision_s: seconds after which a decision has hung.
        progress: called with the number of steps that are done and of all steps.

    Raises:
        UnknownScheduler: there is no such scheduler, or not with such parameters.
    """
    text = registered_name(scheduler) if isinstance(scheduler, type) else scheduler
    subject = Subject(text, home_of(text), max_decision_s)
    try:
        subject.new()
    except SchedulerError as error:
        where = blame(error.__cause__, subject.home) if error.__cause__ else str(error)
        return Report(text, [Finding("can be built", "failed", where)])
    total = len(situations()) + len(DEPENDENCE)
    runs: dict[str, Run] = {}
    note = progress or (lambda done, total: None)
    for situation in situations():
        run = runs[situation.name] = subject.run(situation)
        note(len(runs), total)
        if run.problem is not None and run.problem.kind == "endless":
            break  # the others would take as long
    findings = [
        Finding("legal schedules", *outcomes.legal(runs)),
        Finding("no exceptions", *outcomes.without(runs, "exception")),
        Finding("comes to an end", *outcomes.without(runs, "stalled", "endless")),
        Finding("every situation", *outcomes.in_every_situation(runs)),
        Finding("time per decision", *outcomes.fast_enough(runs, max_median_ms)),
    ]
    sound = {name: run for name, run in runs.items() if run.problem is None}
    is_repeatable = True
    for number, (name, check) in enumerate(DEPENDENCE.items(), start=1):
        result: Result
        if not sound:
            result = "not checked", "it fails in every situation"
        elif not is_repeatable:
            result = "not checked", "the same seed does not even give the same decisions here"
        else:
            result = check(subject, sound)
        if name == REPETITION:
            is_repeatable = result[0] != "failed"
        findings.append(Finding(name, *result))
        note(len(runs) + number, total)
    return Report(text, findings)
