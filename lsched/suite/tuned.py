"""What tuning found: a file that comes with the package, because it takes hours to make."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from lsched.errors import OptionError
from lsched.suite.cases import SuiteCase
from lsched.suite.rules import is_on_estimates
from lsched.suite.scorer import Scorer
from lsched.suite.search import BEHIND, Found

TUNED = Path(__file__).with_name("tuned.json")
COMMAND = "lsched suite tune --out out/tuned"


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """The best rules of a case.

    Attributes:
        fair, on_estimates, best, num_seeds: see ``Found``.
        by_rule: the best text of each rule, for both classes, with its ratio to ``fair``.
        mean_latency_s: of the first three, over the training seeds, s.
    """

    fair: str
    on_estimates: str
    best: str
    num_seeds: int
    mean_latency_s: dict[str, float]
    by_rule: dict[str, float]


class TunedFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file: by case, and the command that made it."""

    command: str = COMMAND
    cases: dict[str, Tuned] = {}


def tuned_from(found: Found, scorer: Scorer) -> Tuned:
    """What to keep of a search."""
    chosen = dict.fromkeys((found.fair, found.on_estimates, found.best))

    def ratio(text: str) -> float:
        num_seeds = min(len(scorer.scores[text]), found.num_seeds)
        return round(scorer.score(text, num_seeds) / scorer.score(found.fair, num_seeds), 4)

    return Tuned(
        fair=found.fair,
        on_estimates=found.on_estimates,
        best=found.best,
        num_seeds=found.num_seeds,
        mean_latency_s={text: round(scorer.mean_s(text, found.num_seeds), 6) for text in chosen},
        by_rule={text: ratio(text) for text in found.by_rule},
    )


def near_the_best(tuned: Tuned) -> list[str]:
    """The best texts of those rules that are not far behind the best of their class."""
    least = {False: tuned.by_rule[tuned.best], True: tuned.by_rule[tuned.on_estimates]}
    return [
        text
        for text, ratio in tuned.by_rule.items()
        if ratio <= BEHIND * least[is_on_estimates(text)]
    ]


def read_tuned(path: Path = TUNED) -> dict[str, Tuned]:
    """The best rules by case; none where there is no file.

    Raises:
        OptionError: it is no such file.
    """
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=TunedFile).cases
    except msgspec.MsgspecError as error:
        raise OptionError(f"{path}: not what tuning writes: {error}") from None


def tuned_of(case: SuiteCase, tuned: Mapping[str, Tuned]) -> Tuned:
    """The best rules of a case.

    Raises:
        OptionError: it has not been tuned.
    """
    if case.name not in tuned:
        raise OptionError(
            f"case {case.name} has not been tuned; `lsched suite tune --cases {case.name}` does it"
        )
    return tuned[case.name]
