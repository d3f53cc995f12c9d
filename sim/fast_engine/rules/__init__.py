"""Compiled rules, which make the decisions of the classes in ``sim.schedulers``."""

from sim.fast_engine.rules.decide import decide
from sim.fast_engine.rules.record import set_rule

__all__ = ["decide", "set_rule"]
