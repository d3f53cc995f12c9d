"""A policy's decisions, compiled: the numbers of ``network.Network`` without torch, and schedules.

For one simulation torch's overhead per operation is most of the time. Here features, the network
and what it means as a schedule are one compiled call. Files named as in ``lsched.learn`` say what
that file says, row for row. Activations are arrays of features × rows, so that loops over rows are
loops over memory. Sums have one written order, which does not depend on how many simulations are
asked for, so equal situations get equal numbers, to the last bit.

``decider.Decider`` is what Python calls; all other files need numba.
"""
