"""The learned scheduler."""
