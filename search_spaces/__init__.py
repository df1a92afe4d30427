"""What may be chosen: parameters, spaces, and the views of a design."""

from collections.abc import Callable
from typing import Any

from codesign_gym.search_spaces.checks import Designs
from codesign_gym.search_spaces.errors import InputError
from codesign_gym.search_spaces.groups import in_group
from codesign_gym.search_spaces.hardware import (
    archgym_accelerator,
    dram_controller,
    gemm_kernel,
    heterogeneous_accelerator,
    soc,
    spatial_accelerator,
    systolic_accelerator,
)
from codesign_gym.search_spaces.networks import (
    CellSpace,
    cell_network,
    darts,
    darts_1d,
    darts_imagenet,
    draco_mobilenet,
    fbnet,
    growing_network,
    hybrid_vision,
    mobilenet_1d,
    moe_vit,
    nas_bench_201,
    nas_bench_201_1d,
    proxylessnas,
    proxylessnas_1d,
    resnet9_1d,
    transnas_101_micro,
    unet_1d,
)
from codesign_gym.search_spaces.parameters import Categorical, Condition, Ordinal, Parameter
from codesign_gym.search_spaces.registry import Registry
from codesign_gym.search_spaces.space import SearchSpace

__all__ = [
    "SPACES",
    "Categorical",
    "CellSpace",
    "Condition",
    "Designs",
    "InputError",
    "Ordinal",
    "Parameter",
    "Registry",
    "SearchSpace",
    "archgym_accelerator",
    "cell_network",
    "darts",
    "darts_1d",
    "darts_imagenet",
    "draco_mobilenet",
    "dram_controller",
    "fbnet",
    "gemm_kernel",
    "growing_network",
    "heterogeneous_accelerator",
    "hybrid_vision",
    "in_group",
    "list_spaces",
    "make_space",
    "mobilenet_1d",
    "moe_vit",
    "nas_bench_201",
    "nas_bench_201_1d",
    "proxylessnas",
    "proxylessnas_1d",
    "resnet9_1d",
    "soc",
    "spatial_accelerator",
    "systolic_accelerator",
    "transnas_101_micro",
    "unet_1d",
]

SPACES: Registry[Callable[..., SearchSpace]] = Registry("search space", "codesign_gym.spaces")
"""Registered spaces: name -> function that makes the space."""

SPACES.register("archgym-accelerator")(archgym_accelerator)
SPACES.register("cell-network")(cell_network)
SPACES.register("darts")(darts)
SPACES.register("darts-1d")(darts_1d)
SPACES.register("darts-imagenet")(darts_imagenet)
SPACES.register("draco-mobilenet")(draco_mobilenet)
SPACES.register("growing-network")(growing_network)
SPACES.register("fbnet")(fbnet)
SPACES.register("hybrid-vision")(hybrid_vision)
SPACES.register("moe-vit")(moe_vit)
SPACES.register("mobilenet-1d")(mobilenet_1d)
SPACES.register("nas-bench-201")(nas_bench_201)
SPACES.register("nas-bench-201-1d")(nas_bench_201_1d)
SPACES.register("dram-controller")(dram_controller)
SPACES.register("gemm-kernel")(gemm_kernel)
SPACES.register("spatial-accelerator")(spatial_accelerator)
SPACES.register("proxylessnas")(proxylessnas)
SPACES.register("proxylessnas-1d")(proxylessnas_1d)
SPACES.register("resnet9-1d")(resnet9_1d)
SPACES.register("heterogeneous-accelerator")(heterogeneous_accelerator)
SPACES.register("soc")(soc)
SPACES.register("systolic-accelerator")(systolic_accelerator)
SPACES.register("transnas-101-micro")(transnas_101_micro)
SPACES.register("unet-1d")(unet_1d)


def make_space(name: str, **options: Any) -> SearchSpace:
    """The registered space called ``name``, e.g. ``("unet-1d", group="task2")``."""
    return SPACES.make(name, SearchSpace, **options)


def list_spaces() -> list[str]:
    """Names of all registered spaces."""
    return SPACES.names()
