"""Cost models learned from recorded evaluations and from tables."""

from codesign_gym.cost_models.learned.frames import read_table
from codesign_gym.cost_models.learned.model import LearnedCostModel, Prediction
from codesign_gym.cost_models.learned.training import train, train_on_designs

__all__ = ["LearnedCostModel", "Prediction", "read_table", "train", "train_on_designs"]
