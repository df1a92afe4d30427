"""Cost models learned from recorded evaluations."""
