"""The cases of the suite: workload × arrivals × cluster × memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from lsched.arrivals import NUM_QUERIES, REAL, Arrivals
from lsched.errors import OptionError
from lsched.suite.workloads import DATA, is_available, workload
from traces import Trace, part_seeds
from traces.errors import did_you_mean


@dataclass(frozen=True, slots=True)
class Site:
    """A cluster, and how large the workload is on it.

    Attributes:
        name: in the names of cases.
        cluster: its text.
        scale: multiplies the size of every query.
        scarce: memory per node where it is scarce, a fourth to a fifth of what states take under
            fair share where it is ample; empty: there is no such case.
    """

    name: str
    cluster: str
    scale: float = 1.0
    scarce: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: a case for each of its arrivals, sites, and kinds of memory.

    Attributes:
        workload: one of ``lsched.suite.workloads.NAMES``.
        arrivals: an offered load (``0.7``), ``batch`` (all at time 0), a mean gap (``25s``), or
            ``""``: a generated trace is drawn anew.
        sites: clusters.
        num_queries: to draw.
        num_seeds: of a comparison.
        is_varied: whether queries drawn of one plan differ (R10).
        fair: the kinds of fair share; the better one is the reference.
        noise: standard deviation of noise in the logarithms of estimates; empty: none.
    """

    workload: str
    arrivals: tuple[str, ...]
    sites: tuple[Site, ...]
    num_queries: int = NUM_QUERIES
    num_seeds: int = 10
    is_varied: bool = True
    fair: tuple[str, ...] = ("fair", "fair:spare=idle")
    noise: str = ""


SERVER = Site("inmemory", "inmemory-32", scale=10, scarce="4e9")
WAREHOUSE = Site("warehouse", "warehouse-4x16", scale=100, scarce="16e9")
FLEET_SERVER = Site("inmemory", "inmemory-32", scarce="2e9")
FLEET_WAREHOUSE = Site("warehouse", "warehouse-4x16", scale=2, scarce="2e9")  # the same load
PLAIN_SERVER = Site("inmemory", "inmemory-32")
SPARK_50 = Site("50", "spark-50")
SPARK_10 = Site("10", "spark-50:executors_per_node=10")
LOADS = ("0.5", "0.7", "0.9")
PUBLISHED_FAIR = ("fair:spare=idle+held=keep",)
"""The rule that Decima is compared with."""

TABLE = (
    Row("tpch", LOADS, (SERVER, WAREHOUSE)),
    Row("tpch", ("batch",), (SERVER, WAREHOUSE), num_queries=100),
    Row("tpcds", LOADS, (SERVER, WAREHOUSE)),
    Row("tpch+tpcds", LOADS, (SERVER, WAREHOUSE)),
    Row("ssb", ("0.7",), (SERVER, WAREHOUSE)),
    Row("fleet-day", ("",), (FLEET_SERVER, FLEET_WAREHOUSE)),
    Row("equal", ("0.7",), (PLAIN_SERVER,)),
    Row("different", ("0.7",), (PLAIN_SERVER,)),
    Row("spark", ("25s",), (SPARK_50, SPARK_10), 50, 30, is_varied=False, fair=PUBLISHED_FAIR),
    Row("spark", ("0.9",), (SPARK_50,), 50, 30, is_varied=False, fair=PUBLISHED_FAIR),
    Row("spark", ("25s",), (SPARK_50, SPARK_10), 50, 30, is_varied=False, fair=PUBLISHED_FAIR,
        noise="0.7"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SuiteCase:
    """One case.

    Attributes:
        name: ``workload-arrivals-site-memory``, or ``workload-arrivals-site-noise``; a site
            without scarce memory does not name it.
        workload: what its queries are.
        arrivals: how they arrive.
        cluster: the text of the cluster.
        num_seeds: of a comparison.
        fair: the kinds of fair share; the better one in training is the reference.
    """

    name: str
    workload: str
    arrivals: Arrivals
    cluster: str
    num_seeds: int
    fair: tuple[str, ...]

    @property
    def is_scarce(self) -> bool:
        """Whether memory is scarce."""
        return self.name.endswith("-scarce")

    @property
    def test_seeds(self) -> tuple[int, ...]:
        """Seeds that neither tuning nor training sees."""
        return part_seeds("test", self.num_seeds)

    def trace(self, data: Path = DATA) -> Trace:
        """The workload as a trace, see ``workload``."""
        return workload(self.workload, data)

    def is_available(self, data: Path = DATA) -> bool:
        """Whether its data are there."""
        return is_available(self.workload, data)


def suite_cases(table: Sequence[Row] = TABLE) -> tuple[SuiteCase, ...]:
    """Every case of a table, in order."""
    return tuple(
        case
        for row in table
        for site in row.sites
        for memory in (("ample", "scarce") if site.scarce else ("",))
        for arrivals in row.arrivals
        for case in [_case(row, arrivals, site, memory)]
    )


def find_cases(patterns: Sequence[str], cases: Sequence[SuiteCase]) -> tuple[SuiteCase, ...]:
    """Those whose names match one of the patterns (``tpch-*-scarce``), in the order of ``cases``.

    Raises:
        OptionError: a pattern matches none.
    """
    for pattern in patterns:
        if not any(fnmatchcase(case.name, pattern) for case in cases):
            names = [case.name for case in cases]
            raise OptionError(
                f"no case matches {pattern!r}{did_you_mean(pattern, names)}; `lsched suite list` "
                "shows them"
            )
    return tuple(
        case for case in cases if any(fnmatchcase(case.name, pattern) for pattern in patterns)
    )


def _case(row: Row, arrivals: str, site: Site, memory: str) -> SuiteCase:
    budget = {"ample": "none", "scarce": site.scarce, "": "none"}[memory]
    noise = f"noise{row.noise}" if row.noise else ""
    joint = "+" if ":" in site.cluster else ":"
    return SuiteCase(
        name="-".join(filter(None, (row.workload, arrivals, site.name, memory, noise))),
        workload=row.workload,
        arrivals=dataclasses.replace(
            _arrivals(row, arrivals, site.scale), estimates=row.noise or REAL
        ),
        cluster=f"{site.cluster}{joint}memory_bytes={budget}",
        num_seeds=row.num_seeds,
        fair=row.fair,
    )


def _arrivals(row: Row, text: str, scale: float) -> Arrivals:
    if not text:
        return Arrivals(is_redrawn=True, scale=scale)
    drawn = Arrivals(is_batch=True, num_queries=row.num_queries, scale=scale)
    if not row.is_varied:
        drawn = dataclasses.replace(drawn, size_sd=0.0, time_sd=0.0)
    if text == "batch":
        return drawn
    if text.endswith("s"):
        return dataclasses.replace(drawn, is_batch=False, interval_s=float(text[:-1]))
    return dataclasses.replace(drawn, is_batch=False, load=float(text))


CASES = suite_cases()
