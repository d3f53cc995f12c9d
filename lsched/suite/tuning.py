"""Tuning cases one after the other, in a directory: what ended is not done again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from lsched.errors import OptionError
from lsched.report import write_json
from lsched.specs import parse_cluster
from lsched.suite.cases import CASES, SuiteCase
from lsched.suite.search import Effort, Say, Scorer, Scores, effort_of, search
from lsched.suite.tuned import Tuned, TunedFile, near_the_best, read_tuned, tuned_from
from lsched.suite.workloads import DATA


def tune_cases(
    cases: Sequence[SuiteCase],
    out: Path,
    *,
    data: Path = DATA,
    effort: Effort | None = None,
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
        say: called with a line now and then.

    Raises:
        OptionError: a file in the directory is not what tuning writes.
        OSError: nothing can be written there.
    """
    (out / "scores").mkdir(parents=True, exist_ok=True)
    path = out / "tuned.json"
    tuned = read_tuned(path)
    for case in cases:
        scores_path = out / "scores" / f"{case.name}.json"
        scorer = Scorer(case, data, _read_scores(case, scores_path))
        try:
            found = search(scorer, effort or effort_of(case), _starts(case, tuned), say)
        finally:
            _write_scores(case, scorer.scores, scores_path)
        tuned[case.name] = tuned_from(found, scorer)
        say(f"{case.name}: {found.best}")
        write_json(msgspec.to_builtins(TunedFile(cases=tuned)), path)
    return tuned


def _starts(case: SuiteCase, tuned: Mapping[str, Tuned]) -> list[str]:
    """What was near the best for the same workload on the same cluster, arriving otherwise."""
    return [
        text
        for other in CASES
        if (other.workload, other.cluster) == (case.workload, case.cluster)
        if other.name in tuned and other.name != case.name
        for text in near_the_best(tuned[other.name])
    ]


def _setting(case: SuiteCase) -> dict[str, object]:
    """What scores depend on."""
    return {
        "workload": case.workload,
        "scale": case.scale,
        "arrivals": case.arrivals_of("training").config(),
        "cluster": dataclasses.asdict(parse_cluster(case.cluster)),
    }


def _read_scores(case: SuiteCase, path: Path) -> Scores:
    """Scores of an earlier call; none where the case has changed since then."""
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_bytes())
        if document["setting"] != json.loads(json.dumps(_setting(case))):
            return {}
        return {
            text: {int(seed): mean_s for seed, mean_s in known.items()}
            for text, known in document["scores"].items()
        }
    except (ValueError, KeyError, AttributeError, TypeError):
        raise OptionError(f"{path}: not what tuning writes; remove it") from None


def _write_scores(case: SuiteCase, scores: Scores, path: Path) -> None:
    write_json({"setting": _setting(case), "scores": scores}, path)
