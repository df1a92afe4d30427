"""Closed-form models of hardware."""
