"""Hardware spaces."""

from codesign_gym.search_spaces.hardware.heterogeneous import heterogeneous_accelerator
from codesign_gym.search_spaces.hardware.systolic import systolic_accelerator

__all__ = ["heterogeneous_accelerator", "systolic_accelerator"]
