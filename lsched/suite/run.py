"""Running a case on seeds that tuning and training never saw."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import lsched
from lsched.compare import Comparison, compare
from lsched.errors import OptionError
from lsched.executor import Executor
from lsched.report import results, write_json
from lsched.runner import Progress
from lsched.specs import parse_cluster, text_of
from lsched.suite.cases import SuiteCase
from lsched.suite.fingerprint import fingerprint
from lsched.suite.policies import Policies, policies_of
from lsched.suite.tuned import Tuned
from lsched.suite.workloads import DATA
from sim.registry import split_text

VERSION = 1
ON_ESTIMATES, BEST, FAIR = "best rule on estimates", "best rule", "fair share"
FIFO, ORACLE = "FIFO", "clairvoyant"
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finished:
    """A case that has been run.

    Attributes:
        document: what its file has, see ``run_case``.
        num_run: schedulers that had to be run.
    """

    document: Document
    num_run: int

    @property
    def incomplete(self) -> list[Mapping[str, object]]:
        """Runs that are missing, as ``Comparison.incomplete``."""
        lost: list[Mapping[str, object]] = self.document["incomplete"]
        return lost


def roles_of(case: SuiteCase, tuned: Tuned, policies: Policies) -> dict[str, str]:
    """Whom a case compares: the scheduler's text by its role, policies by their labels.

    Raises:
        OptionError: a label of a policy is the name of another role.
    """
    rules = {
        ON_ESTIMATES: tuned.on_estimates,
        BEST: tuned.best,
        FAIR: tuned.fair,
        FIFO: "fifo",
        ORACLE: oracle_of(tuned),
    }
    found = policies_of(case.name, policies)
    for label in found:
        if label in rules:
            raise OptionError(f"a policy is labelled {label!r}, as a rule is; call it otherwise")
    return {**found, **rules}


def oracle_of(tuned: Tuned) -> str:
    """Clairvoyant SRPT, with all that is best for ``srpt`` but the size that it goes by."""
    srpts = [text for text in tuned.by_rule if split_text(text)[0] == "srpt"]
    if not srpts:
        return "oracle-srpt"
    _, given = split_text(min(srpts, key=tuned.by_rule.__getitem__))
    return text_of("oracle-srpt", {key: value for key, value in given.items() if key != "size"})


def run_case(
    case: SuiteCase,
    tuned: Tuned,
    policies: Policies,
    directory: Path,
    *,
    data: Path = DATA,
    workers: int | Executor = 1,
    progress: Progress | None = None,
) -> Finished:
    """Run whatever of a case has not been run, and write ``directory/CASE.json``.

    The file has what ``results.json`` of a comparison has, and ``case``, ``workload`` and ``roles``
    (the text by role); ratios are left to ``lsched.suite.tables``. Each scheduler has the date and
    version that it was measured with and a ``fingerprint``; those whose fingerprint is what it was
    are taken from the file.

    Args:
        case: the case.
        tuned: its best rules.
        policies: what else to compare.
        directory: where results are.
        data: see ``workload``.
        workers: see ``compare``.
        progress: called after each run.

    Raises:
        As ``compare``.
    """
    roles = roles_of(case, tuned, policies)
    path = directory / f"{case.name}.json"
    setting = _setting(case)
    prints = {text: fingerprint(setting, text) for text in roles.values()}
    earlier = _read(path) if path.exists() else {"schedulers": {}}
    known = {
        text: found
        for text, found in earlier["schedulers"].items()
        if text in prints and found["fingerprint"] == prints[text]
    }
    missing = [text for text in prints if text not in known]
    document = earlier
    if missing:
        comparison = compare(
            case.trace(data),
            missing,
            cluster=case.cluster,
            arrivals=case.arrivals,
            seeds=case.test_seeds,
            reference=missing[0],
            workers=workers,
            progress=progress,
        )
        document = _document(case, comparison)
        known |= _fresh(comparison, document.pop("schedulers"), prints)
    changed = {"roles": roles, "schedulers": {text: known[text] for text in prints}}
    if missing or any(earlier[key] != value for key, value in changed.items()):
        document |= changed
        write_json(document, path)
    return Finished(document, len(missing))


def read_documents(directory: Path, cases: Sequence[SuiteCase]) -> list[Document]:
    """What has been written of cases, in their order; those not run are left out.

    Raises:
        OptionError: a file is not what ``run_case`` writes.
    """
    paths = [directory / f"{case.name}.json" for case in cases]
    return [_read(path) for path in paths if path.exists()]


def _setting(case: SuiteCase) -> dict[str, object]:
    """What results of a case depend on, apart from the scheduler."""
    return {
        "version": VERSION,
        "workload": case.workload,
        "arrivals": case.arrivals.config(),
        "cluster": dataclasses.asdict(parse_cluster(case.cluster)),
        "seeds": case.test_seeds,
    }


def _document(case: SuiteCase, comparison: Comparison) -> Document:
    document = results(comparison)
    kept = ("arrivals", "cluster", "seeds", "lower_bound", "incomplete", "schedulers")
    return {
        "version": VERSION,
        "case": case.name,
        "workload": case.workload,
        **{key: document[key] for key in kept},
    }


def _fresh(comparison: Comparison, schedulers: Document, prints: Mapping[str, str]) -> Document:
    """What was run, by scheduler. One that lacks runs has no fingerprint: it is run again."""
    (case,) = comparison.cases
    today = date.today().isoformat()
    return {
        text: {
            "fingerprint": None if case.outcomes[text].lost else prints[text],
            "measured_on": today,
            "lsched_version": lsched.__version__,
            **{key: value for key, value in found.items() if key != "ratio_to_reference"},
        }
        for text, found in schedulers.items()
    }


def _read(path: Path) -> Document:
    try:
        document: Document = json.loads(path.read_bytes())
        if document["version"] != VERSION or not document["schedulers"]:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise OptionError(f"{path}: not what the suite writes; remove it") from None
    return document
