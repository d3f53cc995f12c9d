"""A policy's decisions, compiled: the same as ``policy.Policy`` makes with torch, without it.

For one simulation torch's overhead per operation is most of the time. Here features, choices, the
network and what it means as a schedule are one compiled call. Files are named as in
``lsched.learn``; each says what that file says, row for row. Activations are arrays of features ×
rows, so that loops over rows are loops over memory. Sums have one written order, which does not
depend on how many simulations are asked for, so equal situations get equal logits.

``decider.Decider`` is what Python calls; all other files need numba.
"""
