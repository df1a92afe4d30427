"""Event-driven simulators."""
