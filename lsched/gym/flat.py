"""A small form of the environment, for libraries with one Discrete action and a mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from lsched.errors import OptionError
from lsched.gym.decision import Decision
from lsched.gym.environment import Info, QueryScheduling
from lsched.gym.observation import MOST, Observation
from lsched.learn.features import OPERATOR_FEATURES, QUERY_FEATURES, SIMULATION_FEATURES
from sim import InvalidSchedule

NUM_SHARED = len(SIMULATION_FEATURES) + 1
"""Numbers at the beginning of an observation, which are of no candidate."""
NUM_OF_CANDIDATE = len(OPERATOR_FEATURES) + len(QUERY_FEATURES)
"""Numbers of each candidate, one candidate after another."""


class Flat(gymnasium.Wrapper[Any, Any, Observation, np.ndarray]):
    """One vector to see, one number to answer.

    *Candidates* are the operators that may come next and are not in the schedule yet, in order of
    arrival and of the plan. Action ``candidate × len(shares) + share`` lists a candidate, with that
    share of the executors as its query's limit, and as long a pipeline as can be. The last action
    ends the schedule. It also ends when no candidate is left, and when all executors can work for
    what is listed.

    Args:
        env: ``QueryScheduling``, also inside of other wrappers.
        num_candidates: how many are shown; others have to wait.
        shares: of the executors, more than 0 and at most 1.

    Raises:
        OptionError: the environment is another one, or an argument is not what it must be.

    Shapes:
        observation: (F,): the features of the simulation, the share of the executors that can work
            for what is listed, and of each candidate its features and its query's, 0 where there
            is none.
    """

    def __init__(
        self,
        env: gymnasium.Env[Observation, np.ndarray],
        *,
        num_candidates: int = 16,
        shares: Sequence[float] = (0.25, 0.5, 1.0),
    ) -> None:
        super().__init__(env)
        if not isinstance(env.unwrapped, QueryScheduling):
            raise OptionError(f"Flat is for QueryScheduling, {env.unwrapped!r} was given")
        if isinstance(num_candidates, bool) or num_candidates not in range(1, 1_000_001):
            raise OptionError(f"num_candidates is {num_candidates!r}, expected 1 to 1,000,000")
        if not shares or not all(0 < share <= 1 for share in shares):
            raise OptionError(f"shares are {shares!r}, expected numbers above 0 and at most 1")
        self._inner = env.unwrapped
        self._num_candidates = num_candidates
        self._limits = [math.ceil(share * self._inner.cluster.num_executors) for share in shares]
        self._end = num_candidates * len(shares)
        size = NUM_SHARED + num_candidates * NUM_OF_CANDIDATE
        self.observation_space = spaces.Box(0.0, MOST, (size,), np.float32)
        self.action_space = spaces.Discrete(self._end + 1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, Info]:
        """Begin an episode; see ``QueryScheduling.reset``."""
        seen, info = self.env.reset(seed=seed, options=options)
        return self._flat(seen), self._masked(info)

    def step(self, action: int | np.int64) -> tuple[np.ndarray, float, bool, bool, Info]:
        """List a candidate, or end the schedule; see ``QueryScheduling.step``.

        Raises:
            InvalidSchedule: the mask excludes the action.
        """
        allowed = np.flatnonzero(self.action_masks())
        if action not in allowed:
            raise InvalidSchedule(f"action is {action!r}; allowed: {allowed.tolist()}")
        before = self._inner.decision
        seen, reward, is_over, is_cut, info = self.env.step(self._inner_action(int(action)))
        after = self._inner.decision
        if after is not None and after is before and not is_cut and self._is_full(after):
            seen, reward, is_over, is_cut, info = self.env.step(self._inner_action(self._end))
        return self._flat(seen), float(reward), is_over, is_cut, self._masked(info)

    def action_masks(self) -> np.ndarray:
        """Which actions are allowed, as MaskablePPO of sb3-contrib asks for it.

        Shapes:
            returns (num_candidates × shares + 1,), bool.
        """
        decision = self._inner.decision
        mask = np.zeros(self._end + 1, np.bool_)
        mask[self._end] = decision is None or decision.can_end
        if decision is not None:
            mask[: len(self._candidates(decision)) * len(self._limits)] = True
        return mask

    def _inner_action(self, action: int) -> np.ndarray:
        """What the wrapped environment is to do."""
        if action == self._end:
            return np.array([self._inner.end_row, 1, 1])
        assert self._inner.decision is not None
        candidate, share = divmod(action, len(self._limits))
        row = self._candidates(self._inner.decision)[candidate]
        return np.array([row, self._limits[share], self._inner.max_degree])

    def _candidates(self, decision: Decision) -> np.ndarray:
        """Rows of the operators that may come next and are not listed yet."""
        can_add = decision.can_add
        can_add[[entry.row for entry in decision.entries]] = False
        return np.flatnonzero(can_add)[: self._num_candidates]

    def _is_full(self, decision: Decision) -> bool:
        """Whether nothing is left to list, or all executors can work for what is listed."""
        num_executors = self._inner.cluster.num_executors
        return not len(self._candidates(decision)) or _num_usable(decision) >= num_executors

    def _flat(self, seen: Observation) -> np.ndarray:
        decision = self._inner.decision
        flat = np.zeros(self.observation_space.shape or (), np.float32)
        if decision is None:
            return flat
        rows = self._candidates(decision)
        usable = _num_usable(decision) / self._inner.cluster.num_executors
        of_candidates = np.hstack(
            [seen["operators"][rows], seen["queries"][seen["operator_query"][rows]]]
        )
        shown = np.concatenate([seen["simulation"], [min(usable, 1.0)], of_candidates.ravel()])
        flat[: len(shown)] = shown
        return flat

    def _masked(self, info: Info) -> Info:
        return {**info, "action_mask": self.action_masks()}


def _num_usable(decision: Decision) -> int:
    """Executors that can work at once for what is listed, if none worked for anything before."""
    usable: dict[int, int] = {}
    for row, num_executors, _ in decision.entries:
        query = int(decision.query[row])
        held = usable.get(query, 0)
        room = max(num_executors - held, 0)
        usable[query] = held + min(int(decision.num_unclaimed[row]), room)
    return sum(usable.values())
