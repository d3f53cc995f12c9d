"""Learned query scheduling, comparisons and plots."""

from lsched.arrivals import Arrivals
from lsched.compare import Case, Comparison, Outcome, compare
from lsched.errors import CheckpointError, OptionError, WorkerError
from lsched.ray_executor import RayExecutor
from lsched.runner import Lost, Run
from lsched.specs import parse_cluster, parse_seeds
from lsched.statistics import Ratio
from lsched.tune import Candidate, Tuning, tune

__version__ = "0.1.0"

__all__ = [
    "Arrivals",
    "Candidate",
    "Case",
    "CheckpointError",
    "Comparison",
    "Lost",
    "OptionError",
    "Outcome",
    "Ratio",
    "RayExecutor",
    "Run",
    "Tuning",
    "WorkerError",
    "compare",
    "parse_cluster",
    "parse_seeds",
    "tune",
]
