"""Hardware spaces."""

from codesign_gym.search_spaces.hardware.archgym import archgym_accelerator
from codesign_gym.search_spaces.hardware.dram import dram_controller
from codesign_gym.search_spaces.hardware.heterogeneous import heterogeneous_accelerator
from codesign_gym.search_spaces.hardware.kernel import gemm_kernel
from codesign_gym.search_spaces.hardware.soc import soc
from codesign_gym.search_spaces.hardware.spatial import spatial_accelerator
from codesign_gym.search_spaces.hardware.systolic import systolic_accelerator

__all__ = [
    "archgym_accelerator",
    "dram_controller",
    "gemm_kernel",
    "heterogeneous_accelerator",
    "soc",
    "spatial_accelerator",
    "systolic_accelerator",
]
