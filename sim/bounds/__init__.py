"""Lower bounds on what any schedule can reach, with the times that one seed draws."""

from sim.bounds.lower import BOUNDS, METHODS, LowerBounds, Method, lower_bounds

__all__ = ["BOUNDS", "METHODS", "LowerBounds", "Method", "lower_bounds"]
