"""Predictions of the simulator against what is measured or known elsewhere."""
