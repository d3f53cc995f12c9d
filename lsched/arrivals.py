"""Which queries a run has: a part of the trace, replayed, or drawn anew from each seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import msgspec

from lsched.errors import OptionError
from sim import Cluster
from traces import (
    Part,
    SplitBy,
    Trace,
    batch_arrivals,
    exact_estimates,
    no_estimates,
    noisy_estimates,
    part_of,
    poisson_arrivals,
)
from traces.arrivals import SIZE_SD, TIME_SD
from traces.estimates import MOST_NOISE
from traces.generate import generate, read_config

US_PER_S = 1_000_000
NUM_QUERIES = 200
MAX_QUERIES = 1_000_000
REAL = "real"
NUM_NOISY = 8
"""So many sets of noisy estimates there are; each seed takes one."""
NUM_KEPT = 24
"""Generated traces that are kept: making one takes longer than many a run of a part of it."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The trace's own arrivals, unless something else is set.

    Attributes:
        load: Poisson arrivals at this offered load (arrival rate × mean work ÷ executors).
        interval_s: Poisson arrivals with this mean gap, seconds.
        is_batch: all queries at time 0.
        is_redrawn: of a generated trace: other queries of the same tenants, as its configuration
            makes them with another seed.
        num_queries: queries to draw; of no meaning for a replay.
        scale: multiplies the size of every query drawn.
        size_sd, time_sd: how much queries drawn of one plan differ, see rule R10; 0: not at all.
        estimates: ``real``: the trace's; ``exact``, ``none``; or a number: the trace's with noise,
            the standard deviation of their logarithms. See ``traces.estimates``.
        part: only this part of the trace; None: all of it.
        split: how the trace is split into parts, see ``traces.split``.
    """

    load: float | None = None
    interval_s: float | None = None
    is_batch: bool = False
    is_redrawn: bool = False
    num_queries: int = NUM_QUERIES
    scale: float = 1.0
    size_sd: float = SIZE_SD
    time_sd: float = TIME_SD
    estimates: str = REAL
    part: Part | None = None
    split: SplitBy = "time"

    def __post_init__(self) -> None:
        for name in ("load", "interval_s", "num_queries", "scale", "size_sd", "time_sd"):
            value = getattr(self, name)
            is_whole = isinstance(value, int) and not isinstance(value, bool)
            is_number = is_whole or (name != "num_queries" and isinstance(value, float))
            if not is_number and not (value is None and name in ("load", "interval_s")):
                kind = "a whole number" if name == "num_queries" else "a number"
                raise OptionError(f"{name} is {value!r}, expected {kind}")
        given = (
            self.load is not None,
            self.interval_s is not None,
            self.is_batch,
            self.is_redrawn,
        )
        if sum(given) > 1:
            raise OptionError("more than one of load, interval, batch and redraw; choose one")
        if self.load is not None and not 0 < self.load <= 100:
            raise OptionError(f"load is {self.load:g}, expected more than 0 and at most 100")
        if self.interval_s is not None and not 0 < self.interval_s <= 1e9:
            raise OptionError(
                f"interval is {self.interval_s:g} s, expected more than 0 and at most 1e9"
            )
        if not 1 <= self.num_queries <= MAX_QUERIES:
            raise OptionError(
                f"number of queries is {self.num_queries:,}, expected 1 to {MAX_QUERIES:,}"
            )
        if not 1e-3 <= self.scale <= 1e5:
            raise OptionError(f"scale is {self.scale:g}, expected 0.001 to 100,000")
        for name in ("size_sd", "time_sd"):
            if not 0 <= (value := getattr(self, name)) <= 2:
                raise OptionError(f"{name} is {value:g}, expected 0 to 2")
        if self.estimates not in (REAL, "exact", "none") and not _is_noise(self.estimates):
            raise OptionError(
                f"estimates are {self.estimates!r}, expected {REAL}, exact, none or a number from "
                f"0 to {MOST_NOISE:g}"
            )
        if self.part is not None and self.split == "time" and self.is_drawn:
            raise OptionError(
                "a part by time is replayed, not drawn; where queries are drawn, seeds are the "
                "split, or split by template"
            )

    @property
    def is_drawn(self) -> bool:
        """Whether each seed draws its own queries."""
        return (
            self.load is not None or self.interval_s is not None or self.is_batch or self.is_redrawn
        )

    @property
    def has_own_times(self) -> bool:
        """Whether queries come as in the trace, or as in others like it."""
        return not self.is_drawn or self.is_redrawn

    @property
    def is_replay_of_all(self) -> bool:
        """Whether a run has just the trace's own queries, all of them, as they are."""
        return not self.is_drawn and self.part is None and self.estimates == REAL

    @property
    def label(self) -> str:
        """A few words for tables and plots."""
        part = "" if self.part is None else f", {self.part} part by {self.split}"
        estimates = "" if self.estimates == REAL else f", estimates {self.estimates}"
        return self._kind_label + part + estimates

    @property
    def _kind_label(self) -> str:
        if self.load is not None:
            return f"load {self.load:g}"
        if self.interval_s is not None:
            return f"interval {self.interval_s:g} s"
        if self.is_redrawn:
            return "redrawn"
        return "batch" if self.is_batch else "replay"

    def of(self, trace: Trace, cluster: Cluster, seed: int) -> Trace:
        """The trace that one seed runs: the same for every scheduler.

        Raises:
            TraceError: the trace cannot be scaled or split so.
        """
        if self.is_redrawn:
            trace = resized(redrawn(trace, seed), self.scale)
        trace = self._with_estimates(trace, seed)
        if self.part is not None:
            trace = part_of(trace, self.part, self.split)
        if self.has_own_times:
            return trace
        if self.is_batch:
            return batch_arrivals(
                trace,
                self.num_queries,
                seed=seed,
                scale=self.scale,
                size_sd=self.size_sd,
                time_sd=self.time_sd,
            )
        return poisson_arrivals(
            trace,
            self.num_queries,
            seed=seed,
            interval_us=None if self.interval_s is None else self.interval_s * US_PER_S,
            load=self.load,
            num_executors=cluster.num_executors,
            scale=self.scale,
            size_sd=self.size_sd,
            time_sd=self.time_sd,
        )

    def _with_estimates(self, trace: Trace, seed: int) -> Trace:
        if self.estimates == REAL:
            return trace
        if self.estimates == "exact":
            return exact_estimates(trace)
        if self.estimates == "none":
            return no_estimates(trace)
        return noisy_estimates(trace, float(self.estimates), seed % NUM_NOISY)

    def config(self) -> dict[str, object]:
        """What ``results.json`` says of it."""
        part: dict[str, object] = {}
        if self.part is not None:
            part = {"part": self.part, "split": self.split}
        if self.estimates != REAL:
            part |= {"estimates": self.estimates}
        if not self.is_drawn:
            return {"kind": "replay", **part}
        if self.is_redrawn:
            return {"kind": "redrawn", "scale": self.scale, **part}
        kind = "batch" if self.is_batch else "poisson"
        return {
            "kind": kind,
            "load": self.load,
            "interval_s": self.interval_s,
            "num_queries": self.num_queries,
            "scale": self.scale,
            "size_sd": self.size_sd,
            "time_sd": self.time_sd,
            **part,
        }


def redrawn(trace: Trace, seed: int) -> Trace:
    """A trace as another seed of its configuration makes it.

    Raises:
        OptionError: it was not made by a configuration.
        TraceError: its configuration is not there.
    """
    config = trace.source.get("config")
    if config is None:
        raise OptionError(f"trace {trace.name!r} was not generated: it cannot be drawn anew")
    return _generated(config, seed)


@lru_cache(maxsize=NUM_KEPT)
def _generated(config: str, seed: int) -> Trace:
    return generate(msgspec.structs.replace(read_config(config), seed=seed), config).load()


def resized(trace: Trace, scale: float) -> Trace:
    """The trace with the size of every query multiplied."""
    if scale == 1.0:
        return trace
    queries = tuple(
        msgspec.structs.replace(query, size_factor=query.size_factor * scale)
        for query in trace.queries
    )
    return msgspec.structs.replace(trace, queries=queries)


def _is_noise(text: str) -> bool:
    try:
        return 0.0 <= float(text) <= MOST_NOISE
    except ValueError:
        return False
