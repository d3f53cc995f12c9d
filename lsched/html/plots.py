"""The plots that lie beside ``results.json``, as texts that a page can hold."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lsched.output import OWN_FILE
from lsched.plots.files import file_name

MEDIA_TYPES = {".png": "image/png", ".svg": "image/svg+xml"}
"""What pages can hold; PDF is not among them."""
CAPTIONS = {
    "ratio-to-reference": "Mean latency ÷ that of the reference",
    "latency-cdf": "Distribution of latencies",
    "queries-in-system": "Queries in the system over time",
    "latency-by-plan": "Latency by plan",
    "latency-by-load": "Latency by offered load",
    "gantt": "Gantt chart",
}
"""By the beginning of the file's name, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot: which of ``CAPTIONS`` it is, and its file as a ``data:`` address."""

    kind: str
    address: str

    @property
    def caption(self) -> str:
        """What it shows."""
        return CAPTIONS[self.kind]


def plots_by_case(directory: Path, labels: Sequence[str]) -> list[list[Plot]]:
    """Plots of each case, by the labels of the cases; the last list has those of no single one."""
    several = len(labels) > 1
    ends = [f"-{file_name(label)}" if several else "" for label in labels]
    found: list[list[Plot]] = [[] for _ in (*labels, None)]
    for kind in CAPTIONS:
        for path in sorted(directory.glob(f"{kind}*")):
            if path.suffix in MEDIA_TYPES and OWN_FILE.fullmatch(path.name):
                fitting = [at for at, end in enumerate(ends) if path.stem.endswith(end)]
                longest = max(fitting, key=lambda at: len(ends[at]), default=-1)
                found[longest].append(Plot(kind, _address(path)))
    return found


def _address(path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode()
    return f"data:{MEDIA_TYPES[path.suffix]};base64,{content}"
