"""Network spaces."""

from codesign_gym.search_spaces.networks.cell import cell_network
from codesign_gym.search_spaces.networks.darts import darts, darts_1d, darts_imagenet
from codesign_gym.search_spaces.networks.fbnet import fbnet
from codesign_gym.search_spaces.networks.growth import growing_network
from codesign_gym.search_spaces.networks.hybrid import hybrid_vision
from codesign_gym.search_spaces.networks.mobile import proxylessnas, proxylessnas_1d
from codesign_gym.search_spaces.networks.mobilenet import draco_mobilenet, mobilenet_1d
from codesign_gym.search_spaces.networks.moe_vit import moe_vit
from codesign_gym.search_spaces.networks.nas_bench_201 import (
    CellSpace,
    nas_bench_201,
    nas_bench_201_1d,
)
from codesign_gym.search_spaces.networks.resnet9 import resnet9_1d
from codesign_gym.search_spaces.networks.transnas_101 import transnas_101_micro
from codesign_gym.search_spaces.networks.unet import unet_1d

__all__ = [
    "CellSpace",
    "cell_network",
    "darts",
    "darts_1d",
    "darts_imagenet",
    "draco_mobilenet",
    "fbnet",
    "growing_network",
    "hybrid_vision",
    "mobilenet_1d",
    "moe_vit",
    "nas_bench_201",
    "nas_bench_201_1d",
    "proxylessnas",
    "proxylessnas_1d",
    "resnet9_1d",
    "transnas_101_micro",
    "unet_1d",
]
