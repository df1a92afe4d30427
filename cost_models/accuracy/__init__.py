"""How accurate a network is: measured tables and the training that makes them."""

from codesign_gym.cost_models.accuracy.tables import table
from codesign_gym.cost_models.accuracy.trained import AccuracyTable
from codesign_gym.cost_models.measured.table import MeasuredTable

__all__ = ["AccuracyTable", "MeasuredTable", "table"]
