"""Hardware spaces."""

from codesign_gym.search_spaces.hardware.systolic import systolic_accelerator

__all__ = ["systolic_accelerator"]
