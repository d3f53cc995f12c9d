"""The random numbers of a query: numpy's Philox generator.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011),
Philox4x64 with 10 rounds. As in ``numpy.random.Philox(key=...)``, the counter of the first block is
1. A block has four numbers, and depends on nothing but key and counter, so that a stream can be
read from anywhere.
"""

from __future__ import annotations

import numpy as np

from sim.fast_engine.compile import compiled

NUM_ROUNDS = 10
MULTIPLIER_0, MULTIPLIER_2 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
KEY_STEP_0, KEY_STEP_1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
HALF = np.uint64(32)
LOW_HALF = np.uint64(0xFFFFFFFF)


@compiled
def fill(numbers: np.ndarray, seed: int, query_id: int, start: int) -> None:
    """Write the numbers of a query's stream from number ``start`` on, in [0, 2**32).

    ``numbers``: where to, as whole numbers of 64 bits.
    """
    index, at = 0, start
    while index < len(numbers):
        words = _block(np.uint64(seed), np.uint64(query_id), np.uint64(at // 4 + 1))
        for word in range(at % 4, min(4, at % 4 + len(numbers) - index)):
            numbers[index] = np.int64(words[word] >> HALF)
            index += 1
        at += 4 - at % 4


@compiled
def _block(
    key_0: np.uint64, key_1: np.uint64, counter: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Four random numbers of 64 bits."""
    word_0, word_1, word_2, word_3 = counter, np.uint64(0), np.uint64(0), np.uint64(0)
    for _ in range(NUM_ROUNDS):
        high_0, high_2 = _high_bits(MULTIPLIER_0, word_0), _high_bits(MULTIPLIER_2, word_2)
        low_0, low_2 = MULTIPLIER_0 * word_0, MULTIPLIER_2 * word_2
        word_0, word_1 = high_2 ^ word_1 ^ key_0, low_2
        word_2, word_3 = high_0 ^ word_3 ^ key_1, low_0
        key_0 += KEY_STEP_0
        key_1 += KEY_STEP_1
    return word_0, word_1, word_2, word_3


@compiled
def _high_bits(one: np.uint64, other: np.uint64) -> np.uint64:
    """The upper 64 bits of a product of 128, by the products of halves of 32 bits."""
    one_low, one_high = one & LOW_HALF, one >> HALF
    other_low, other_high = other & LOW_HALF, other >> HALF
    lowest, middle = one_low * other_low, one_high * other_low
    carried = middle + (lowest >> HALF)
    other_middle = one_low * other_high + (carried & LOW_HALF)
    return one_high * other_high + (carried >> HALF) + (other_middle >> HALF)
