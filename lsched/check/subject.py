"""The scheduler that is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lsched.check.situations import SEED, Situation
from lsched.check.watch import MAX_DECISION_S, Run, watch
from sim import Scheduler, make_scheduler

Runs = Mapping[str, Run]
"""By the names of their situations."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The scheduler that is checked.

    Attributes:
        text: its name and parameters.
        home: where its code is, if that is known.
        max_decision_s: seconds after which a decision has hung.
    """

    text: str
    home: Path | None
    max_decision_s: float = MAX_DECISION_S

    def new(self) -> Scheduler:
        """One that has not decided anything yet."""
        return make_scheduler(self.text, seed=SEED)

    def run(
        self,
        situation: Situation,
        scheduler: Scheduler | None = None,
        *,
        last_us: int | None = None,
    ) -> Run:
        """Watch a new one in a situation, or the one given; see ``watch``."""
        return watch(
            scheduler or self.new(),
            situation,
            self.home,
            last_us=last_us,
            max_decision_s=self.max_decision_s,
        )
