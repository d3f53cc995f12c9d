"""Evolution strategies: better weights from how policies with slightly other weights do.

Noise in the weights strays from a policy the same way at all events of a run, where noise in each
action is undone at the next event. Whole runs are compared, on the same arrivals and luck, so no
decision has to be told from another's noise.

Source: Salimans et al., "Evolution strategies as a scalable alternative to reinforcement learning",
2017: antithetic noise, ranks in place of scores. We deviate: what is ranked are the differences of
pairs, as each pair has its own arrivals, in units of what is usual in their case, so that cases
where runs differ by chance do not drown the others; noise is in proportion to 1 ÷ √inputs of a
layer; the step has the length that Adam's would have on average; and what comes out is the average
of the last means (Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", 1992):
each step goes astray more than it goes ahead, and the average is rid of most of that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOMENTUM, SCALE_MEMORY, AVERAGE_MEMORY = 0.9, 0.99, 0.9
CASE_MEMORY, CASE_PRIOR = 0.95, 4.0
"""Of differences by case; and how many differences that of all cases counts for."""


@dataclass(frozen=True)
class EvolutionConfig:
    """How a generation is made and used.

    Attributes:
        pairs: of policies, each two on opposite sides of the mean.
        sigma: size of the noise, in units of ``spread``.
        step: how far a generation moves the mean, in units of the noise.
    """

    pairs: int = 64
    sigma: float = 0.2
    step: float = 0.3


@dataclass(frozen=True)
class EvolutionState:
    """Where evolution is: all that the next generation depends on.

    Attributes:
        mean: weights.
        average: of the means so far; of later ones, most of the last ten.
        momentum: of the gradient, per weight.
        squares: of the gradient, mean over all weights.
        generation: how many there have been.
        seen: of the differences of pairs by case, the sum of their squares and their number; those
            of the last generations count most.

    Shapes:
        mean, average, momentum: (weights,), float64; seen: (2, cases), float64.
    """

    mean: np.ndarray
    average: np.ndarray
    momentum: np.ndarray
    seen: np.ndarray
    squares: float = 0.0
    generation: int = 0

    @classmethod
    def at(cls, weights: np.ndarray, num_cases: int = 1) -> EvolutionState:
        """Before the first generation."""
        mean = np.array(weights, np.float64)
        return cls(mean, mean, np.zeros_like(mean), np.zeros((2, num_cases)))


def noise_of(state: EvolutionState, spread: np.ndarray, pairs: int, seed: int) -> np.ndarray:
    """The noise of a generation: the same whenever it is asked for.

    Args:
        state: at which generation.
        spread: standard deviation of each weight's noise; 0: it does not change.
        pairs: how many.
        seed: of the training.

    Shapes:
        spread: (weights,); returns (pairs, weights).
    """
    generator = np.random.default_rng([seed, state.generation])
    noise: np.ndarray = generator.standard_normal((pairs, len(spread))) * spread
    return noise


def population(state: EvolutionState, noise: np.ndarray, sigma: float) -> np.ndarray:
    """The weights of a generation: first all on one side of the mean, then their opposites.

    Shapes:
        noise: (pairs, weights); returns (2 × pairs, weights), float32.
    """
    shift = sigma * noise
    return np.concatenate([state.mean + shift, state.mean - shift]).astype(np.float32)


def evolved(
    state: EvolutionState,
    noise: np.ndarray,
    spread: np.ndarray,
    costs: np.ndarray,
    cases: np.ndarray,
    config: EvolutionConfig,
) -> EvolutionState:
    """The state after a generation.

    Args:
        state: before.
        noise: of the generation, see ``noise_of``.
        spread: likewise.
        costs: of each of ``population`` on the cases of its pair, less is better. The two policies
            of a pair are compared with each other alone; of the differences, in units of what is
            usual in their case, the signs and the order count.
        cases: of each pair, by their places.
        config: how far to go.

    Shapes:
        costs: (2 × pairs, cases of each); cases: (pairs, cases of each).

    Raises:
        FloatingPointError: a cost is not a number.
    """
    if not np.all(np.isfinite(costs)):
        raise FloatingPointError("a cost is not a finite number")
    pairs = len(costs) // 2
    differences = costs[pairs:] - costs[:pairs]
    seen = _seen(state.seen, differences, cases)
    gains = (differences / _usual(seen)[cases]).mean(axis=1)
    order = np.argsort(np.argsort(np.abs(gains), kind="stable"), kind="stable")
    worth = np.sign(gains) * (order + 1) / pairs
    unit = np.divide(noise, spread, out=np.zeros_like(noise), where=spread > 0)
    gradient = worth @ unit / pairs
    is_free = spread > 0
    generation = state.generation + 1
    momentum = MOMENTUM * state.momentum + (1.0 - MOMENTUM) * gradient
    square = float(np.mean(gradient[is_free] ** 2)) if is_free.any() else 0.0
    squares = SCALE_MEMORY * state.squares + (1.0 - SCALE_MEMORY) * square
    size = np.sqrt(squares / (1.0 - SCALE_MEMORY**generation))
    direction = momentum / (1.0 - MOMENTUM**generation) / max(size, 1e-12)
    mean = state.mean + config.step * config.sigma * spread * direction
    memory = min(AVERAGE_MEMORY, 1.0 - 1.0 / generation)
    average = memory * state.average + (1.0 - memory) * mean
    return EvolutionState(mean, average, momentum, seen, squares, generation)


def _seen(before: np.ndarray, differences: np.ndarray, cases: np.ndarray) -> np.ndarray:
    """See ``EvolutionState``; with those of one more generation."""
    new = np.zeros_like(before)
    np.add.at(new[0], cases, differences**2)
    np.add.at(new[1], cases, 1.0)
    after: np.ndarray = CASE_MEMORY * before + new
    return after


def _usual(seen: np.ndarray) -> np.ndarray:
    """The usual size of a difference by case; of cases that were hardly seen, that of all.

    Shapes:
        returns (cases,)
    """
    squares, counts = seen
    is_seen = squares > 0.0
    logs = np.zeros_like(squares)
    logs[is_seen] = np.log(squares[is_seen] / counts[is_seen])
    of_all = logs[is_seen].mean() if is_seen.any() else 0.0
    weights = counts * is_seen
    result: np.ndarray = np.exp(
        0.5 * (weights * logs + CASE_PRIOR * of_all) / (weights + CASE_PRIOR)
    )
    return result
