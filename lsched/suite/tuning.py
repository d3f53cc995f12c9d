"""Tuning cases one after the other, in a directory: what ended is not done again."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from lsched.errors import OptionError
from lsched.executor import Executor
from lsched.report import write_json
from lsched.specs import check_engine, parse_cluster
from lsched.suite.cases import CASES, SuiteCase
from lsched.suite.scorer import Scorer, Scores
from lsched.suite.search import Effort, Say, effort_of, search
from lsched.suite.tuned import Tuned, TunedFile, near_the_best, read_tuned, tuned_from
from lsched.suite.workloads import DATA

WRITE_EVERY_S = 60.0


def tune_cases(
    cases: Sequence[SuiteCase],
    out: Path,
    *,
    data: Path = DATA,
    effort: Effort | None = None,
    workers: int | Executor = 1,
    say: Say = lambda _: None,
) -> dict[str, Tuned]:
    """Tune every rule for each case.

    Writes ``tuned.json`` after each case, with all cases that the file had, and, from which a later
    call goes on, ``scores/CASE.json``: mean latency by candidate and training seed.

    Args:
        cases: in this order.
        out: the directory.
        data: see ``workload``.
        effort: how much; None: as ``effort_of``.
        workers: processes, or an executor; what is found does not depend on it.
        say: called with a line now and then.

    Raises:
        OptionError: a file in the directory is not what tuning writes.
        OSError: nothing can be written there.
        WorkerError: a worker process died; all other scores are kept.
    """
    check_engine(None)  # compiled once here, not once in each of several processes
    (out / "scores").mkdir(parents=True, exist_ok=True)
    path = out / "tuned.json"
    tuned = read_tuned(path)
    for case in cases:
        kept = KeptScores(case, out / "scores" / f"{case.name}.json")
        with Scorer(case, data, kept.read(), kept.write_now_and_then, workers) as scorer:
            try:
                found = search(scorer, effort or effort_of(case), _starts(case, tuned), say)
            finally:
                kept.write(scorer.scores)
            tuned[case.name] = tuned_from(found, scorer)
        say(f"{case.name}: {found.best}")
        write_json(msgspec.to_builtins(TunedFile(cases=tuned)), path)
    return tuned


def _starts(case: SuiteCase, tuned: Mapping[str, Tuned]) -> list[str]:
    """What was near the best for the same workload, or for a part of the mixture that it is.

    On the same cluster, if that is known.
    """
    parts = {case.workload, *case.workload.split("+")}
    others = [
        other
        for other in CASES
        if other.workload in parts and other.name in tuned and other.name != case.name
    ]
    nearest = [other for other in others if other.cluster == case.cluster] or others
    return [text for other in nearest for text in near_the_best(tuned[other.name])]


class KeptScores:
    """The scores of a case in a file.

    Args:
        case: the case.
        path: of the file.
    """

    def __init__(self, case: SuiteCase, path: Path) -> None:
        setting = {
            "workload": case.workload,
            "arrivals": case.arrivals.config(),
            "cluster": dataclasses.asdict(parse_cluster(case.cluster)),
        }
        self._setting = json.loads(json.dumps(setting))
        self._path = path
        self._written_s = time.monotonic()

    def read(self) -> Scores:
        """Scores of an earlier call; none where the case has changed since then.

        Raises:
            OptionError: the file is not what ``write`` makes.
        """
        if not self._path.exists():
            return {}
        try:
            document = json.loads(self._path.read_bytes())
            if document["setting"] != self._setting:
                return {}
            return {
                text: {int(seed): mean_s for seed, mean_s in known.items()}
                for text, known in document["scores"].items()
            }
        except (ValueError, KeyError, AttributeError, TypeError):
            raise OptionError(f"{self._path}: not what tuning writes; remove it") from None

    def write(self, scores: Scores) -> None:
        """Write all scores."""
        write_json({"setting": self._setting, "scores": scores}, self._path)
        self._written_s = time.monotonic()

    def write_now_and_then(self, scores: Scores) -> None:
        """Write all scores, if that was not done within the last ``WRITE_EVERY_S``."""
        if time.monotonic() - self._written_s > WRITE_EVERY_S:
            self.write(scores)
