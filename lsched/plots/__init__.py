"""Plots of comparisons and runs. Each function returns a matplotlib ``Figure``.

Those of a run or a comparison draw into ``ax=`` where it is given, and return its figure;
``latency_by_load`` into two.
"""

from lsched.plots.distributions import latency_by_plan, latency_cdf
from lsched.plots.files import check_format, put, save, write_plots
from lsched.plots.gantt import gantt
from lsched.plots.ratios import ratio_to_reference
from lsched.plots.series import latency_by_load, queries_in_system

__all__ = [
    "check_format",
    "gantt",
    "latency_by_load",
    "latency_by_plan",
    "latency_cdf",
    "put",
    "queries_in_system",
    "ratio_to_reference",
    "save",
    "write_plots",
]
