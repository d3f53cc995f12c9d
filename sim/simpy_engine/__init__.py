"""The reference engine: readable, on simpy's event queue."""
