"""Training: generation after generation, with a validation now and then.

Everything random follows from the seed and the number of the generation, so a training that is
stopped and goes on from its last state ends with the same weights as one that is not.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lsched.learn.config import NO_RULE, PolicyConfig
from lsched.learn.evaluate import Evaluator
from lsched.learn.evolution import (
    EvolutionConfig,
    EvolutionState,
    evolved,
    noise_of,
    population,
)
from lsched.learn.inference.maps import LAST_OF_HEADS
from lsched.learn.shapes import NUM_SCALES, linear_maps
from lsched.learn.workload import Case, mean_ratio
from traces.split import SEEDS

DIRECT = ("direct.operator", "direct.query")
ZERO_AT_FIRST = (*LAST_OF_HEADS, *DIRECT)
"""Maps that begin at 0, so that a new policy decides as its rule does."""
BIAS_SPREAD = 0.3
ENCODER_SPREAD = 0.2
"""How large noise in the encoder is, in terms of noise in the heads: what heads have learned to use
should not change faster than they do."""
GAIN = 1.4
CASES_AT_ONCE = 12
"""Different cases of a generation, at most, where each pair draws its own."""


@dataclass(frozen=True)
class TrainingConfig:
    """How a policy is trained.

    Attributes:
        evolution: of a generation.
        seeds: runs of each policy and case in a generation; both policies of a pair have the same,
            other pairs have others.
        cases: so many are drawn for each pair, see ``shares_of``; 0: all.
        is_encoder_frozen: whether only the heads are trained.
        direct_generations: in so many generations, at first, only what leads straight from features
            to decisions is trained: a fifth of the weights, whose worth shows in fewer runs, and
            nothing has to be encoded.
        generations: at most.
        minutes: likewise.
        validate_every: generations.
        validation_seeds: runs of a validation, of each case.
        patience: validations without a better one before it ends.
        growth: generations until runs have all their queries; from a quarter of them.
        seed: of everything random.
    """

    evolution: EvolutionConfig = field(default_factory=EvolutionConfig)
    seeds: int = 1
    cases: int = 0
    is_encoder_frozen: bool = False
    direct_generations: int = 0
    generations: int = 400
    minutes: float = 60.0
    validate_every: int = 10
    validation_seeds: int = 24
    patience: int = 10
    growth: int = 20
    seed: int = 0


@dataclass(frozen=True)
class Validation:
    """How good the average of the last generations is on queries that they were not trained on.

    Attributes:
        generation: after so many.
        ratio: cost ÷ that of the rule, geometric mean over seeds, and cases by ``shares_of``.
        ratios: by case.
        elapsed_s: of training, so far.
        num_decisions: scheduling events so far.
    """

    generation: int
    ratio: float
    ratios: tuple[float, ...]
    elapsed_s: float
    num_decisions: int


@dataclass(frozen=True)
class TrainingState:
    """All that the rest of a training depends on.

    Attributes:
        evolution: where it is.
        best: weights of the best validation; the first ones until one is better.
        first_ratio: of the first weights: 1, as they leave all to the rule; infinite where that is
            not so: without a rule, or with predicted costs, where they are validated.
        validations: all so far.
        num_decisions: scheduling events so far.
        elapsed_s: seconds so far.
    """

    evolution: EvolutionState
    best: np.ndarray
    first_ratio: float
    validations: tuple[Validation, ...] = field(default=())
    num_decisions: int = 0
    elapsed_s: float = 0.0

    @property
    def best_ratio(self) -> float:
        """Of the best validation, or of the first weights."""
        return min(self._ratios)

    @property
    def num_stale(self) -> int:
        """Validations since the best one."""
        return len(self.validations) - int(np.argmin(self._ratios))

    @property
    def _ratios(self) -> list[float]:
        """Of the first weights, then of all validations."""
        return [self.first_ratio, *(each.ratio for each in self.validations)]


def shares_of(cases: Sequence[Case]) -> np.ndarray:
    """What each case counts for: all workloads alike, and of a workload, all cases.

    A workload that asks for something else than the others must not be one case of fifty.

    Shapes:
        returns (cases,), sum 1
    """
    names = [case.trace.name for case in cases]
    counts = Counter(names)
    return np.array([1.0 / (len(counts) * counts[name]) for name in names])


def first_weights(config: PolicyConfig, seed: int) -> np.ndarray:
    """Weights to begin with.

    Shapes:
        returns (weights,), as ``maps.flattened`` orders them.
    """
    generator = np.random.default_rng([seed, 1 << 32])
    weights = [np.zeros(NUM_SCALES // 2), np.ones(NUM_SCALES // 2)]
    for name, (outputs, inputs) in linear_maps(config).items():
        scale = 0.0 if name in ZERO_AT_FIRST else GAIN * inputs**-0.5
        weights += [generator.normal(0.0, 1.0, outputs * inputs) * scale, np.zeros(outputs)]
    return np.concatenate(weights)


def spread_of(
    config: PolicyConfig, is_encoder_frozen: bool = False, is_only_direct: bool = False
) -> np.ndarray:
    """How large each weight's noise is; 0: it stays as it is.

    Args:
        config: parts of the policy.
        is_encoder_frozen: see ``TrainingConfig``.
        is_only_direct: whether nothing but ``DIRECT`` changes.

    Shapes:
        returns (weights,), as ``maps.flattened`` orders them.
    """
    of_encoder = 0.0 if is_encoder_frozen else ENCODER_SPREAD
    spread = [np.zeros(NUM_SCALES)]
    for name, (outputs, inputs) in linear_maps(config).items():
        part = of_encoder if name.startswith("encoder.") else 1.0
        if is_only_direct and name not in DIRECT:
            part = 0.0
        spread += [np.full(outputs * inputs, part * inputs**-0.5)]
        spread += [np.full(outputs, part * BIAS_SPREAD)]
    return np.concatenate(spread)


def begun(
    config: PolicyConfig, seed: int, weights: np.ndarray | None = None, num_cases: int = 1
) -> TrainingState:
    """Before the first generation.

    Args:
        config: parts of the policy.
        seed: of the training.
        weights: to begin with; none: new ones.
        num_cases: that it is trained on.
    """
    if weights is None:
        weights = first_weights(config, seed)
    return TrainingState(
        EvolutionState.at(weights, num_cases), weights.astype(np.float32), first_ratio(config)
    )


def first_ratio(config: PolicyConfig) -> float:
    """See ``TrainingState``."""
    return math.inf if config.rule == NO_RULE or config.costs else 1.0


def train(
    evaluator: Evaluator, config: TrainingConfig, state: TrainingState
) -> Iterator[TrainingState]:
    """The states after each generation, until one of the limits is reached.

    Raises:
        FloatingPointError: weights or costs are no numbers any more; the last state is good.
    """
    seeds = SEEDS["validation"][: config.validation_seeds]
    usual = evaluator.of_one(None, seeds)
    began_s = time.monotonic() - state.elapsed_s
    if evaluator.setting.costs and not state.validations:
        state = _validated(evaluator, state, seeds, usual)
    while not is_over(state, config):
        state = _next(evaluator, config, state)
        state = replace(state, elapsed_s=time.monotonic() - began_s)
        if state.evolution.generation % config.validate_every == 0:
            state = _validated(evaluator, state, seeds, usual)
        yield state


def is_over(state: TrainingState, config: TrainingConfig) -> bool:
    """Whether a limit is reached, or nothing has become better for long."""
    return (
        state.evolution.generation >= config.generations
        or state.elapsed_s >= 60.0 * config.minutes
        or state.num_stale >= config.patience
    )


def _next(evaluator: Evaluator, config: TrainingConfig, state: TrainingState) -> TrainingState:
    """After one more generation."""
    evolution = state.evolution
    is_only_direct = evolution.generation < config.direct_generations
    spread = spread_of(evaluator.setting.policy, config.is_encoder_frozen, is_only_direct)
    generator = np.random.default_rng([config.seed, evolution.generation, 1])
    pairs = config.evolution.pairs
    chosen = generator.choice(SEEDS["training"], (pairs, config.seeds), replace=False)
    share = min(1.0, 0.25 + 0.75 * evolution.generation / max(config.growth, 1))
    noise = noise_of(evolution, spread, config.evolution.pairs, config.seed)
    weights = population(evolution, noise, config.evolution.sigma)
    num_cases = len(evaluator.setting.cases)
    num_drawn = min(config.cases or num_cases, num_cases)
    # Runs of a case are faster side by side than each alone.
    at_once = min(max(CASES_AT_ONCE, num_drawn), num_cases)
    drawn = generator.choice(num_cases, at_once, False, shares_of(evaluator.setting.cases))
    cases = np.array([generator.choice(drawn, num_drawn, replace=False) for _ in range(pairs)])
    outcome = evaluator.of_policies(
        weights, np.concatenate([chosen, chosen]), np.concatenate([cases, cases]), share
    )
    costs = np.log(outcome.costs).mean(axis=2)
    after = evolved(evolution, noise, spread, costs, cases, config.evolution)
    if not np.all(np.isfinite(after.mean)):
        raise FloatingPointError("a weight is not a finite number")
    num_decisions = state.num_decisions + outcome.num_decisions
    return replace(state, evolution=after, num_decisions=num_decisions)


def _validated(
    evaluator: Evaluator, state: TrainingState, seeds: range, usual: np.ndarray
) -> TrainingState:
    """With one more validation of the average."""
    weights = state.evolution.average.astype(np.float32)
    costs = evaluator.of_one(weights, seeds)
    ratios = tuple(map(mean_ratio, costs.tolist(), usual.tolist()))
    ratio = float(np.exp(shares_of(evaluator.setting.cases) @ np.log(ratios)))
    validation = Validation(
        state.evolution.generation, ratio, ratios, state.elapsed_s, state.num_decisions
    )
    best = weights if ratio < state.best_ratio else state.best
    return replace(state, best=best, validations=(*state.validations, validation))
