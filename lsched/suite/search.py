"""Tuning every rule for a case: all coarsely on few training seeds, the best finer on more.

What is found is the best of two classes: of the rules that know nothing but the optimizer's
estimates, and of all rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lsched.suite.cases import SuiteCase
from lsched.suite.rules import coarse, is_compiled, is_on_estimates, neighbours, reserves
from lsched.suite.scorer import Scorer
from sim.registry import split_text

Say = Callable[[str], None]

STEPS = (1.5, 1.2)
"""By how much parameters are changed, one step after the other."""
MAX_ROUNDS = 6
"""Of changing each parameter, with one step. Of rules that are asked in Python, one round."""
LEAST_GAIN = 0.001
"""Less is not worth a change."""
BEHIND, SLOW_BEHIND, SIFT_BEHIND = 1.15, 1.05, 1.4
"""What is so far behind the best of its class is not looked at any further: compiled rules, those
that are asked in Python, and any where that rests on the first seeds alone."""
MANY = 10_000


@dataclass(frozen=True, slots=True)
class Effort:
    """How many training seeds each stage takes, and how many candidates of a class it keeps.

    Attributes:
        sift: seeds for all candidates.
        second: seeds for the ``kept`` best texts of each rule.
        refine: seeds for changing the parameters of the best text of the ``refined`` best rules.
        final: seeds for the ``finalists`` best texts of each rule, which decide.
    """

    sift: int = 1
    second: int = 3
    refine: int = 6
    final: int = 16
    kept: int = 3
    refined: int = 3
    finalists: int = 2

    @property
    def stages(self) -> tuple[int, ...]:
        """Seeds of each stage, in order."""
        return self.sift, self.second, self.refine, self.final


THOROUGH = Effort()
SHORT_RUNS = Effort(sift=4, second=12, refine=20, final=60)
"""For cases of few queries, whose means vary more from seed to seed."""
WHOLE_DAYS = Effort(sift=1, second=1, refine=1, final=4, refined=2)
"""For generated days, which have thousands of queries each."""


def effort_of(case: SuiteCase) -> Effort:
    """How much effort a case takes."""
    if case.arrivals.has_own_times:
        return WHOLE_DAYS
    return SHORT_RUNS if case.arrivals.num_queries < 100 else THOROUGH


@dataclass(frozen=True, slots=True)
class Found:
    """What tuning found for a case.

    Attributes:
        fair: the better kind of fair share.
        on_estimates: the best rule that knows nothing but estimates.
        best: the best of all rules.
        by_rule: the best text of each rule, from the best rule to the worst, for both classes; of
            those that fell behind early, on fewer seeds.
        num_seeds: on which the first three were compared.
    """

    fair: str
    on_estimates: str
    best: str
    by_rule: tuple[str, ...]
    num_seeds: int


def search(
    scorer: Scorer, effort: Effort, starts: Sequence[str] = (), say: Say = lambda _: None
) -> Found:
    """Tune every rule for a case.

    Args:
        scorer: of the case; its scores are those that tuning was based on.
        effort: how many seeds.
        starts: the best texts of each rule on a related case. Of rules that are asked in Python,
            which are slow, only these are then tried at first.
        say: called with a line now and then.
    """
    case = scorer.case
    texts = coarse(case)
    if starts:
        texts = [*starts, *filter(is_compiled, texts)]
    say(f"{case.name}: {len(texts)} candidates")
    ranked = _first_of_each_rule(scorer.ranked(texts, effort.sift), effort.kept)
    texts = _near_the_best(scorer, ranked, effort.sift, behind=SIFT_BEHIND)
    srpts = [text for text in ranked if text.startswith("srpt")]
    texts += [text for srpt in _first_of_each_rule(srpts) for text in reserves(srpt)]
    ranked = scorer.ranked([*texts, *starts], effort.second)
    say(f"{case.name}: refining, from {ranked[0]}")
    firsts = _first_of_each_rule(ranked)
    for text in _near_the_best(scorer, firsts, effort.second, effort.refined):
        ranked.append(_refined(scorer, text, effort))
    ranked = scorer.ranked(ranked, effort.second)
    firsts = _first_of_each_rule(ranked, effort.finalists)
    finalists = _near_the_best(scorer, firsts, effort.second)
    decided = scorer.ranked([*finalists, *case.fair], effort.final)
    return Found(
        fair=next(text for text in decided if text in case.fair),
        on_estimates=next(text for text in decided if is_on_estimates(text)),
        best=decided[0],
        by_rule=tuple(_first_of_each_rule(dict.fromkeys([*decided, *ranked]))),
        num_seeds=effort.final,
    )


def _near_the_best(
    scorer: Scorer, ranked: Sequence[str], num_seeds: int, count: int = MANY, behind: float = 0.0
) -> list[str]:
    """The first so many of both classes, less those far behind the first of their class."""
    near: list[str] = []
    for texts in (ranked, [text for text in ranked if is_on_estimates(text)]):
        least = scorer.score(texts[0], num_seeds)
        for text in texts[:count]:
            most = behind or (BEHIND if is_compiled(text) else SLOW_BEHIND)
            if scorer.score(text, num_seeds) <= most * least:
                near.append(text)
    return list(dict.fromkeys(near))


def _refined(scorer: Scorer, start: str, effort: Effort) -> str:
    """Change one parameter after the other, as long as that helps."""
    best = start
    is_fast = is_compiled(start)
    num_seeds = effort.refine if is_fast else effort.second
    for step in STEPS if is_fast else STEPS[:1]:
        for _ in range(MAX_ROUNDS if is_fast else 1):
            before = best
            texts = neighbours(best, scorer.case, step)
            scorer.score_all(texts, num_seeds)
            for text in texts:
                gain = 1 - scorer.score(text, num_seeds) / scorer.score(best, num_seeds)
                if gain > LEAST_GAIN:
                    best = text
            if best == before:
                break
    return best


def _first_of_each_rule(ranked: Iterable[str], count: int = 1) -> list[str]:
    """The best texts of each rule and class."""
    firsts: dict[tuple[str, bool], list[str]] = {}
    ranked = list(ranked)
    for text in ranked:
        group = firsts.setdefault((split_text(text)[0], is_on_estimates(text)), [])
        if len(group) < count:
            group.append(text)
    kept = {text for group in firsts.values() for text in group}
    return [text for text in ranked if text in kept]
