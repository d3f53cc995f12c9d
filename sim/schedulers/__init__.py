"""Scheduling rules, one file each. ``lsched schedulers`` lists them."""
