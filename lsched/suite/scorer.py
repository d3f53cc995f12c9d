"""How good schedulers are on the training seeds of a case, each run done only once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lsched.arrivals import Arrivals
from lsched.crew import Crew, JobError, executor_of
from lsched.errors import WorkerError
from lsched.executor import Death, Executor
from lsched.specs import parse_cluster
from lsched.suite.cases import SuiteCase
from lsched.suite.workloads import DATA
from sim import Cluster, simulate_many
from sim.engines import ready_engine
from traces import Trace, part_seeds

Scores = dict[str, dict[int, float]]
"""Mean latency, s, by scheduler and training seed."""
Job = tuple[str, tuple[int, ...]]
"""A scheduler, and the seeds to run it on."""


@dataclass(frozen=True, slots=True)
class _Runs:
    """What all runs of a case share; ``drawn``: the queries of those seeds that have been run."""

    base: Trace
    arrivals: Arrivals
    cluster: Cluster
    drawn: dict[int, Trace] = field(default_factory=dict)


class Scorer:
    """Runs schedulers on the training seeds of a case, each only once.

    Leaving the context ends its workers; with one, there are none.

    Args:
        case: the case.
        data: see ``workload``.
        scores: what is known.
        on_scores: called with all that is known after each new score.
        workers: processes, or an executor; scores do not depend on it.
    """

    def __init__(
        self,
        case: SuiteCase,
        data: Path = DATA,
        scores: Scores | None = None,
        on_scores: Callable[[Scores], None] = lambda _: None,
        workers: int | Executor = 1,
    ) -> None:
        self.case = case
        self.scores: Scores = {} if scores is None else scores
        self._on_scores = on_scores
        runs = _Runs(case.trace(data), case.arrivals, parse_cluster(case.cluster))
        self._crew: Crew[Job, list[float]]
        self._crew = Crew(executor_of(workers), _means_s, runs, lambda job: job[0], _prepare)

    def __enter__(self) -> Scorer:
        return self

    def __exit__(self, *stopped: object) -> None:
        self._crew.__exit__(*stopped)

    def score(self, text: str, num_seeds: int) -> float:
        """Geometric mean over the first training seeds of a scheduler's mean latency, s.

        Geometric, as ratios of schedulers are: no seed counts for more than another.
        """
        means_s = self._means_s(text, num_seeds)
        return math.exp(math.fsum(map(math.log, means_s)) / num_seeds)

    def mean_s(self, text: str, num_seeds: int) -> float:
        """Mean latency over all queries of the first training seeds, s."""
        return math.fsum(self._means_s(text, num_seeds)) / num_seeds

    def ranked(self, texts: Iterable[str], num_seeds: int) -> list[str]:
        """Texts from the best to the worst."""
        texts = list(dict.fromkeys(texts))
        self.score_all(texts, num_seeds)
        return sorted(texts, key=lambda text: self.score(text, num_seeds))

    def score_all(self, texts: Iterable[str], num_seeds: int) -> None:
        """Do all runs that ``score`` of these needs, at once.

        Raises:
            WorkerError: a worker process died.
        """
        seeds = part_seeds("training", num_seeds)
        jobs: list[Job] = []
        for text in texts:
            known = self.scores.setdefault(text, {})
            missing = tuple(seed for seed in seeds if seed not in known)
            # One worker does all seeds of a text, which is a little faster; of several, each one.
            jobs += [(text, missing)] if self._crew.size == 1 else [(text, (s,)) for s in missing]
        jobs = [job for job in jobs if job[1]]
        deaths = {}

        def note(job: Job, result: list[float] | Death) -> None:
            text, seeds = job
            if isinstance(result, Death):
                deaths[job] = result
                return
            known = {**self.scores[text], **dict(zip(seeds, result, strict=True))}
            self.scores[text] = dict(sorted(known.items()))
            self._on_scores(self.scores)

        try:
            self._crew.do_all(jobs, each=note)
        except JobError as failure:
            raise failure.error from None
        for (text, seeds), death in deaths.items():
            raise WorkerError(
                f"case {self.case.name}, scheduler {text!r}, seed {seeds[0]}: {death.reason}"
            )

    def _means_s(self, text: str, num_seeds: int) -> list[float]:
        self.score_all([text], num_seeds)
        return [self.scores[text][seed] for seed in part_seeds("training", num_seeds)]


def _means_s(runs: _Runs, job: Job) -> list[float]:
    """Mean latency of each seed of a job, s."""
    text, seeds = job
    for seed in seeds:
        if seed not in runs.drawn:
            runs.drawn[seed] = runs.arrivals.of(runs.base, runs.cluster, seed)
    results = simulate_many(
        [runs.drawn[seed] for seed in seeds],
        text,
        cluster=runs.cluster,
        seeds=seeds,
        keep_records=False,
    )
    return [result.summary()["mean_latency_s"] for result in results]


def _prepare(runs: _Runs) -> None:
    """On another machine: compile what runs need."""
    ready_engine(None)
