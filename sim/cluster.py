"""The cluster: executors on nodes, delays, bandwidths, and the coefficients of rule R9."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from sim.errors import ClusterError
from sim.formulas import LAST_US
from sim.outages import Outage
from traces.errors import did_you_mean

MB = 1024**2
GB = 1024**3
MAX_EXECUTORS = 100_000
MAX_EXECUTOR_TIME_US = 2**62
"""Of a run; whole numbers of 64 bits hold twice as much."""

OPTIONAL = {
    "move_across_delay_us",
    "intermediate_bytes_per_s",
    "network_bytes_per_s",
    "cache_bytes",
    "memory_bytes",
    "executor_mtbf_us",
    "node_mtbf_us",
}
"""Attributes that may be None: the feature is off."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A simulated cluster. Every feature is off by default: work orders take their recorded time.

    Attributes:
        num_nodes: machines.
        executors_per_node: executors (slots that run one work order at a time) of each.
        release: when an executor is free again: after each ``work-order`` (morsel-driven engines)
            or only when its ``pipeline`` has no unclaimed work order (Spark-like, sticky).
        move_delay_us: paid by an executor whose last work was not for this query.
        move_across_delay_us: paid instead on a node that is new to a query already running
            elsewhere.
        warm_up_us: added to the first work order after a move, where the trace has no profile
            that carries it.
        work_orders_per_batch: recorded work orders that make up one of this engine's.
        contention: sigma of the universal scalability law, multiplied per operator kind.
        coherency: kappa of the universal scalability law.
        interference: gamma, slowdown of a memory-bound work order on a fully busy node.
        intermediate_bytes_per_s: bandwidth per executor for writing and for reading an
            intermediate where a pipeline is cut; None: cuts are free.
        network_bytes_per_s: bandwidth per executor for input from other nodes; None: free.
        cache_bytes: last-level cache per node that probed states compete for; None: unlimited.
        memory_bytes: memory budget per node for states and cut outputs; None: unlimited.
        spill_bytes_per_s: disk bandwidth per node for state beyond the budget.
        max_spill_factor: most that spilling slows an operator down.
        use_profiles: whether recorded waves (by executor count) are used where a trace has them.
        outages: when executors or nodes are not there, as planned.
        executor_mtbf_us, node_mtbf_us: mean time until an executor, or a node with all of its
            executors, fails at random; None: never.
        mean_repair_us: mean time until what failed at random is back.
    """

    num_nodes: int = 1
    executors_per_node: int = 8
    release: Literal["work-order", "pipeline"] = "work-order"
    move_delay_us: int = 0
    move_across_delay_us: int | None = None
    warm_up_us: int = 0
    work_orders_per_batch: int = 1
    contention: float = 0.0
    coherency: float = 0.0
    interference: float = 0.0
    intermediate_bytes_per_s: int | None = None
    network_bytes_per_s: int | None = None
    cache_bytes: int | None = None
    memory_bytes: int | None = None
    spill_bytes_per_s: int = 2_500_000_000
    max_spill_factor: float = 3.0
    use_profiles: bool = True
    outages: tuple[Outage, ...] = ()
    executor_mtbf_us: int | None = None
    node_mtbf_us: int | None = None
    mean_repair_us: int = 60_000_000

    def __post_init__(self) -> None:
        if not isinstance(self.use_profiles, bool):
            raise ClusterError(f"use_profiles is {self.use_profiles!r}, expected true or false")
        self._check("num_nodes", 1, 10_000)
        self._check("executors_per_node", 1, 10_000)
        if self.num_executors > MAX_EXECUTORS:
            raise ClusterError(
                f"num_nodes × executors_per_node is {self.num_executors:,}, "
                f"expected at most {MAX_EXECUTORS:,}"
            )
        if self.release not in ("work-order", "pipeline"):
            raise ClusterError(f"release is {self.release!r}, expected 'work-order' or 'pipeline'")
        for name in ("move_delay_us", "move_across_delay_us", "warm_up_us"):
            self._check(name, 0, 10**12)
        self._check("work_orders_per_batch", 1, 1000)
        for name in ("contention", "coherency"):
            self._check(name, 0.0, 1.0)
        self._check("interference", 0.0, 10.0)
        for name in ("intermediate_bytes_per_s", "network_bytes_per_s", "spill_bytes_per_s"):
            self._check(name, 1, 10**15)
        for name in ("cache_bytes", "memory_bytes"):
            self._check(name, 1, 10**18)
        self._check("max_spill_factor", 1.0, 100.0)
        for name in ("executor_mtbf_us", "node_mtbf_us", "mean_repair_us"):
            self._check(name, 1, 10**15)
        self._check_outages()

    def _check(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if value is None and name in OPTIONAL:
            return
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ClusterError(f"{name} is {value!r}, expected a number")
        if isinstance(low, int) and not isinstance(value, int):
            raise ClusterError(f"{name} is {value!r}, expected a whole number")
        if not low <= value <= high:
            raise ClusterError(f"{name} is {value}, expected {low:,} to {high:,}")

    def _check_outages(self) -> None:
        if not isinstance(self.outages, tuple):
            raise ClusterError(f"outages are {self.outages!r}, expected a tuple of Outage")
        for at, outage in enumerate(self.outages):
            if not isinstance(outage, Outage):
                raise ClusterError(f"outages[{at}] is {outage!r}, expected an Outage")
            for name, count in (("executors", self.num_executors), ("nodes", self.num_nodes)):
                for index in getattr(outage, name):
                    if isinstance(index, bool) or not isinstance(index, int):
                        raise ClusterError(f"outages[{at}]: {name} has {index!r}, no whole number")
                    if not 0 <= index < count:
                        raise ClusterError(
                            f"outages[{at}]: {name} has {index}, there are 0 to {count - 1}"
                        )

    @property
    def num_executors(self) -> int:
        """Executors of all nodes."""
        return self.num_nodes * self.executors_per_node

    @property
    def end_us(self) -> int:
        """When the clock ends: executor time fits 62 bits until then (18,000 years for 8), µs."""
        return min(LAST_US, MAX_EXECUTOR_TIME_US // self.num_executors)

    @property
    def is_plain(self) -> bool:
        """Whether work orders take their base time, profiles apart (R9)."""
        return (
            self.contention == self.coherency == self.interference == 0
            and self.intermediate_bytes_per_s is None
            and self.network_bytes_per_s is None
            and self.cache_bytes is None
            and self.memory_bytes is None
        )

    def replace(self, **changes: object) -> Cluster:
        """A copy with some attributes changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


PRESETS: dict[str, Cluster] = {
    # One large server with a morsel-driven engine (DuckDB, Umbra, Quickstep).
    "inmemory-32": Cluster(
        num_nodes=1,
        executors_per_node=32,
        release="work-order",  # a thread may change its mind after each morsel
        move_delay_us=150,  # 0.1-0.2 ms: pipeline set-up, cold first- and second-level caches
        contention=0.005,  # reasoned; 1 to 2 threads of DuckDB gave 1.66 x, with everything else
        coherency=3e-5,  # latches and cache lines that bounce between cores
        interference=0.2,  # two DuckDB processes at once slowed each other by 1.03-1.27
        intermediate_bytes_per_s=3_000_000_000,  # measured 2-6 GB/s, 1 with strings
        cache_bytes=32 * MB,  # last-level cache of the machine the costs were measured on
        memory_bytes=64 * GB,
        spill_bytes_per_s=2_500_000_000,  # one NVMe drive
    ),
    # Four nodes of a cloud warehouse; work orders of 50-500 ms.
    "warehouse-4x16": Cluster(
        num_nodes=4,
        executors_per_node=16,
        release="work-order",
        move_delay_us=1_000,  # a new query's fragment inside a node
        move_across_delay_us=25_000,  # 10-50 ms: ship the plan, open connections
        work_orders_per_batch=32,  # 32 row groups of 122,880 rows: 50-500 ms
        contention=0.01,
        coherency=1e-4,  # exchange with every other executor of the query
        interference=0.2,
        intermediate_bytes_per_s=2_000_000_000,
        network_bytes_per_s=200_000_000,  # 25 Gbit/s a node, shared by 16 executors
        cache_bytes=32 * MB,
        memory_bytes=64 * GB,
        spill_bytes_per_s=2_500_000_000,  # 2-3 GB/s, shared by the node
    ),
    # Decima's Spark cluster: stage profiles, executors that stick to their stage.
    "spark-50": Cluster(
        num_nodes=1,
        executors_per_node=50,
        release="pipeline",
        move_delay_us=2_000_000,  # a JVM is handed to another application (Decima, section 7)
        warm_up_us=1_000_000,  # first task on it, where the profile has no such measurement
    ),
}
"""Named clusters. Every number stands beside its physical reason; see docs/design.md."""


def preset(name: str) -> Cluster:
    """The preset called ``name``.

    Raises:
        ClusterError: there is none.
    """
    if name in PRESETS:
        return PRESETS[name]
    hint = did_you_mean(name, PRESETS)
    raise ClusterError(f"no cluster preset {name!r}, there are {', '.join(PRESETS)}{hint}")
