"""The simulator against what is known from elsewhere."""
