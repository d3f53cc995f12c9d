"""A discrete-event simulator of an analytical cluster that replays query traces."""

from sim.bounds import LowerBounds, lower_bounds
from sim.cluster import PRESETS, Cluster, preset
from sim.errors import ClusterError, InvalidSchedule, SchedulerError, Stalled, UnknownScheduler
from sim.events import Event, digest
from sim.history import History, PlanHistory
from sim.outages import Outage
from sim.registry import Scheduler, make_scheduler, register, scheduler_names
from sim.result import QueryRecord, Result
from sim.schedule import Allocation, Hold, Schedule
from sim.simulate import simulate
from sim.simulation import Simulation
from sim.view import ClairvoyantView, ClusterView, OperatorView, QueryView

__all__ = [
    "PRESETS",
    "Allocation",
    "ClairvoyantView",
    "Cluster",
    "ClusterError",
    "ClusterView",
    "Event",
    "History",
    "Hold",
    "InvalidSchedule",
    "LowerBounds",
    "OperatorView",
    "Outage",
    "PlanHistory",
    "QueryRecord",
    "QueryView",
    "Result",
    "Schedule",
    "Scheduler",
    "SchedulerError",
    "Simulation",
    "Stalled",
    "UnknownScheduler",
    "digest",
    "lower_bounds",
    "make_scheduler",
    "preset",
    "register",
    "scheduler_names",
    "simulate",
]
