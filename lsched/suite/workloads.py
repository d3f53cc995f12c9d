"""The workloads of the suite: shipped traces, two of them mixed, synthetic ones, Spark profiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lsched.errors import OptionError
from lsched.suite.efficiency import different_templates, equal_templates
from traces import Plan, Query, Trace, load
from traces.errors import did_you_mean
from traces.generate.catalogue import Catalogue
from traces.importers.decima import import_decima

DATA = Path("../shared/data")
"""Where data that the project does not ship is looked for, if nothing else is said."""
PROFILES = Path("decima_tpch") / "tpch_decima.json.gz"
SHIPPED = ("tpch", "tpcds", "ssb", "fleet-day")
NAMES = (*SHIPPED, "tpch+tpcds", "equal", "different", "spark")


def is_available(name: str, data: Path = DATA) -> bool:
    """Whether what a workload is made of is there."""
    return name != "spark" or (data / PROFILES).is_file()


@cache
def workload(name: str, data: Path = DATA) -> Trace:
    """A workload of the suite.

    Args:
        name: one of ``NAMES``.
        data: the directory that has Decima's profiles, for ``spark``.

    Raises:
        OptionError: there is no such workload.
        TraceError: its data cannot be read.
    """
    if name in SHIPPED:
        return load(name)
    if name == "tpch+tpcds":
        return mixed(("tpch", "tpcds"))
    if name == "equal":
        return plans_only(name, equal_templates())
    if name == "different":
        return plans_only(name, different_templates())
    if name == "spark":
        return import_decima(data / PROFILES)
    raise OptionError(
        f"no workload {name!r}, there are {', '.join(NAMES)}" + did_you_mean(name, NAMES)
    )


def mixed(names: Sequence[str]) -> Trace:
    """The plans of several traces in one, each plan as likely as any other when queries are drawn.

    Plans are called after their trace, as in generated fleets: ``tpch-q1``.
    """
    return plans_only("+".join(names), Catalogue(names).plans)


def plans_only(name: str, plans: Sequence[Plan]) -> Trace:
    """A trace that queries are drawn from; its own is one query of its first plan."""
    query = Query(query_id=0, plan=plans[0].name, arrival_us=0)
    return Trace(name=name, plans=tuple(plans), queries=(query,))
