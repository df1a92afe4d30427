"""Network spaces."""

from codesign_gym.search_spaces.networks.cell import cell_network
from codesign_gym.search_spaces.networks.growth import growing_network
from codesign_gym.search_spaces.networks.mobilenet import draco_mobilenet, mobilenet_1d
from codesign_gym.search_spaces.networks.resnet9 import resnet9_1d
from codesign_gym.search_spaces.networks.unet import unet_1d

__all__ = [
    "cell_network",
    "draco_mobilenet",
    "growing_network",
    "mobilenet_1d",
    "resnet9_1d",
    "unet_1d",
]
