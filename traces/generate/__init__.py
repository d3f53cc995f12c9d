"""Workloads as real fleets have them: dashboards, loads, ad hoc queries, sessions, patterns."""

from traces.generate.config import Config, Target, config_path, read_config, shipped_configs
from traces.generate.fleet import Fleet
from traces.generate.generator import generate

__all__ = [
    "Config",
    "Fleet",
    "Target",
    "config_path",
    "generate",
    "read_config",
    "shipped_configs",
]
