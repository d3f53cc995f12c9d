"""A comparison as one HTML page, from the directory that ``lsched compare`` wrote."""

from lsched.html.charts import Chart, chart_of
from lsched.html.page import Section, render
from lsched.html.plots import Plot, plots_by_case
from lsched.html.results import CaseResults, Results, read_results

__all__ = [
    "CaseResults",
    "Chart",
    "Plot",
    "Results",
    "Section",
    "chart_of",
    "plots_by_case",
    "read_results",
    "render",
]
