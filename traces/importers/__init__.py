"""Importers: traces from other systems' logs and data sets."""
