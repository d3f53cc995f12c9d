"""Checks of the simulator against what is known from elsewhere."""
