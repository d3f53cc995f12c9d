"""Traces: plans of real queries and when they arrive."""

from traces.arrivals import batch_arrivals, poisson_arrivals
from traces.errors import TraceError
from traces.estimates import exact_estimates, no_estimates, noisy_estimates
from traces.files import load, open_stream, read, shipped_names, write
from traces.kinds import KINDS, Kind
from traces.model import Edge, Operator, Plan, Query, Trace, Wave
from traces.split import PARTS, Part, SplitBy, part_of, part_seeds
from traces.stream import TraceStream

__all__ = [
    "KINDS",
    "PARTS",
    "Edge",
    "Kind",
    "Operator",
    "Part",
    "Plan",
    "Query",
    "SplitBy",
    "Trace",
    "TraceError",
    "TraceStream",
    "Wave",
    "batch_arrivals",
    "exact_estimates",
    "load",
    "no_estimates",
    "noisy_estimates",
    "open_stream",
    "part_of",
    "part_seeds",
    "poisson_arrivals",
    "read",
    "shipped_names",
    "write",
]
