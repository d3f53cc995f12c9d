"""A discrete-event simulator of an analytical cluster that replays query traces."""

from sim.batch_fields import FIELDS, KIND_NAMES, Field
from sim.batch_of_one import batch_view_of, decide_one
from sim.batch_schedule import BatchSchedule
from sim.batch_view import BatchView
from sim.bounds import LowerBounds, lower_bounds
from sim.cluster import PRESETS, Cluster, preset
from sim.errors import (
    ClusterError,
    InvalidSchedule,
    OnlyFast,
    SchedulerError,
    Stalled,
    UnknownScheduler,
)
from sim.events import Event, digest
from sim.fast_engine.layout import NEVER
from sim.history import History, PlanHistory
from sim.outages import Outage
from sim.outcomes import Outcomes, outcomes
from sim.plan_table import PlanTable
from sim.registry import BatchScheduler, Scheduler, make_scheduler, register, scheduler_names
from sim.result import QueryRecord, Result
from sim.schedule import Allocation, Hold, Schedule
from sim.simulate import simulate
from sim.simulate_many import simulate_many
from sim.simulation import Simulation
from sim.simulations import Simulations
from sim.view import ClairvoyantView, ClusterView, OperatorView, QueryView

__all__ = [
    "FIELDS",
    "KIND_NAMES",
    "NEVER",
    "PRESETS",
    "Allocation",
    "BatchSchedule",
    "BatchScheduler",
    "BatchView",
    "ClairvoyantView",
    "Cluster",
    "ClusterError",
    "ClusterView",
    "Event",
    "Field",
    "History",
    "Hold",
    "InvalidSchedule",
    "LowerBounds",
    "OnlyFast",
    "OperatorView",
    "Outage",
    "Outcomes",
    "PlanHistory",
    "PlanTable",
    "QueryRecord",
    "QueryView",
    "Result",
    "Schedule",
    "Scheduler",
    "SchedulerError",
    "Simulation",
    "Simulations",
    "Stalled",
    "UnknownScheduler",
    "batch_view_of",
    "decide_one",
    "digest",
    "lower_bounds",
    "make_scheduler",
    "outcomes",
    "preset",
    "register",
    "scheduler_names",
    "simulate",
    "simulate_many",
]
