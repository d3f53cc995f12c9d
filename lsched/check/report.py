"""What the suite has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "failed", "warning", "not checked"]
Result = tuple[Status, str]
"""A check's status and text, see ``Finding``."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        check: what was checked, in a few words.
        status: the result.
        text: what was found, or why nothing was checked.
    """

    check: str
    status: Status
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """The results of all checks of a scheduler.

    Attributes:
        scheduler: its text.
        findings: in the order of the checks.
    """

    scheduler: str
    findings: Sequence[Finding]

    @property
    def failed(self) -> list[Finding]:
        """Checks that it does not pass; warnings are none."""
        return [finding for finding in self.findings if finding.status == "failed"]
