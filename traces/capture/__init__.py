"""Capturing traces from engines, and importing recordings of others."""
