"""Network spaces."""

from codesign_gym.search_spaces.networks.cell import cell_network

__all__ = ["cell_network"]
