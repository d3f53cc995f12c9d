"""What plans cost: a graph neural network that predicts true times from the optimizer's estimates.

The policy brings these predictions to its runs as experience (``sim.experience``), so that queries
can be put in order, and be given executors, before any of their templates has completed.

Estimates are wrong in ways that repeat: an operator with these cardinalities, in such a plan, on
this cluster, takes so many times what the optimizer thought. That is learned from completed runs by
gradient descent in seconds, where learning it from latencies, as decisions are, would take days.
"""
