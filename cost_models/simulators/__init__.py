"""Simulators: what happens in time, event after event."""
