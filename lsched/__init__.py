"""Learned query scheduling, comparisons and plots."""

__version__ = "0.1.0"
