"""What decisions must not depend on: chance, processes, earlier runs, the future, the engine.

Each check compares runs with the first ones, whose situations all came to their end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lsched.check.future import with_another_future, with_own_plans
from lsched.check.place import blame
from lsched.check.report import Result
from lsched.check.situations import BUSIEST, SEED, situation
from lsched.check.subject import Runs, Subject
from lsched.check.watch import Decision, Run, parting
from lsched.crew import Crew, JobError
from lsched.errors import WorkerError
from lsched.executor import Death
from lsched.workers import Processes
from sim import OnlyFast, UnknownScheduler, digest, simulate
from sim.engines import VARIABLE, engine_name, is_fast_installed, ready_engine

WITH_FUTURES = (BUSIEST, "a steady stream", "sticky executors")
MOMENTS = (0.0, 0.25, 0.5, 0.75)
"""Of a run's decisions, so many are before the moment from which the future is another."""
HASH_SEED = "PYTHONHASHSEED"
"""Environment variable: texts have other hashes, so sets another order, with another value."""


def on_repetition(subject: Subject, runs: Runs) -> Result:
    """New instances with the same seed, in this process."""
    for name, first in runs.items():
        if found := _parting(first.decisions, subject.run(situation(name))):
            return "failed", (
                f"{name}: {found}; what draws needs a generator made from the parameter seed, and "
                "nothing may stay in classes or modules"
            )
    return "ok", "twice in one process"


def on_process(subject: Subject, runs: Runs) -> Result:
    """Another process, in which texts have other hashes."""
    jobs = [tuple(runs)]
    hash_seed = "2" if os.environ.get(HASH_SEED) == "1" else "1"
    try:
        with (
            _environment(HASH_SEED, hash_seed),
            Crew(Processes(1), _run_all, subject, str) as crew,
        ):
            (there,) = crew.do_all(jobs)
    except JobError as failure:
        if isinstance(failure.error, UnknownScheduler):
            return "not checked", "it is known in this process only"
        return "failed", str(failure.error)
    except WorkerError as error:
        return "not checked", str(error)
    if isinstance(there, Death):
        return "failed", there.reason
    for name, first in runs.items():
        if found := _parting(first.decisions, there[name]):
            return "failed", (
                f"{name}, with {HASH_SEED}={hash_seed}: {found}; sets have another order in each "
                "process, sort what comes out of them"
            )
    return "ok", f"once with {HASH_SEED}={hash_seed}"


def on_earlier_runs(subject: Subject, runs: Runs) -> Result:
    """One instance, situation after situation."""
    scheduler = subject.new()
    for name, first in runs.items():
        if found := _parting(first.decisions, subject.run(situation(name), scheduler)):
            return "failed", (
                f"{name}, after other runs of the same instance: {found}; each run has a view of "
                "its own, and what was kept must go with it"
            )
    return "ok", "an instance that has served other runs decides like a new one"


def on_hidden_state(subject: Subject, runs: Runs) -> Result:
    """Runs whose future is another from some moment on (R10)."""
    if getattr(subject.new(), "is_clairvoyant", False):
        return "not checked", "it is declared clairvoyant (is_clairvoyant = True)"
    names = [name for name in WITH_FUTURES if name in runs]
    for name in names:
        original = with_own_plans(situation(name))
        first = subject.run(original)
        if first.problem is not None:
            return "failed", f"{name}, each query with a plan of its own: {first.problem.text}"
        for moment in MOMENTS:
            now_us = first.decisions[int(moment * len(first.decisions))].now_us
            other = with_another_future(original, first.events, now_us)
            second = subject.run(other, last_us=now_us)
            before = [decision for decision in first.decisions if decision.now_us <= now_us]
            if found := _parting(before, second):
                return "failed", (
                    f"{name}: {found}, where only times, bytes and arrivals differ that nobody can "
                    f"know at {now_us:,} µs; use what views document, nothing that begins with _"
                )
    if not names:
        return "not checked", f"it fails in these situations: {', '.join(WITH_FUTURES)}"
    return "ok", f"another future changes no decision before it, at {len(MOMENTS)} moments each"


def on_engine(subject: Subject, runs: Runs) -> Result:
    """The compiled engine, which has its own ways to ask some schedulers."""
    if not is_fast_installed():
        return "not checked", "only the engine simpy is installed"
    if engine_name(None) != "fast":
        return "not checked", f"{VARIABLE} names one engine"
    ready_engine("fast")
    for name in runs:
        here = situation(name)
        digests = set()
        for engine in ("simpy", "fast"):
            try:
                result = simulate(
                    here.trace,
                    subject.new(),
                    cluster=here.cluster,
                    seed=SEED,
                    history=here.has_history,
                    record_events=True,
                    engine=engine,
                )
            except Exception as error:
                if isinstance(error.__cause__, OnlyFast):
                    return "not checked", str(error.__cause__)
                cause = error.__cause__ or error
                return "failed", f"{name}, on the engine {engine}: {blame(cause, subject.home)}"
            digests.add(digest(result.events or ()))
        if len(digests) > 1:
            return "failed", (
                f"{name}: other event logs on the engine fast; decide_many or compiled_rule does "
                "not answer as decide does"
            )
    return "ok", "the same event logs"


def _parting(first: Sequence[Decision], second: Run) -> str | None:
    """How a run goes on otherwise than one that came to its end, if it does."""
    if second.problem is not None:
        return second.problem.text
    return parting(first, second.decisions)


def _run_all(subject: Subject, names: tuple[str, ...]) -> Runs:
    return {name: subject.run(situation(name)) for name in names}


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Processes that begin now have this variable."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
