"""The report of one run, or of several on one problem: a self-contained HTML page."""

from codesign_gym.experiments.report.page import write_report

__all__ = ["write_report"]
