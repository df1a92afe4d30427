"""How accurate a network is: measured tables and the training that makes them."""

from codesign_gym.cost_models.accuracy.measured import MeasuredTable, table
from codesign_gym.cost_models.accuracy.trained import AccuracyTable

__all__ = ["AccuracyTable", "MeasuredTable", "table"]
