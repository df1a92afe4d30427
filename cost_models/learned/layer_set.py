"""A network as the set of its layers: what each costs is learned from its sizes, and summed.

Zaheer et al., "Deep Sets", NIPS 2017: any function of a set is one of a sum over its members. Here
every layer's sizes become a positive cost and a vector; a network's prediction is the logarithm of
the summed cost, corrected by a function of the summed vectors. A layer that was never measured has
sizes all the same. Trained with torch on one thread, kept as arrays. Letters: ``l`` distinct
layers, ``d`` sizes of a layer, ``w`` units.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.descent import Axes, descend, kept, shaped_like
from codesign_gym.cost_models.learned.layout import Layout
from codesign_gym.cost_models.learned.regressors import Arrays, FloatArray, Matrix, standard
from codesign_gym.cost_models.threads import one_thread
from codesign_gym.cost_models.workloads.layers import Kind, Layers
from codesign_gym.cost_models.workloads.spaces import faults, network_space, workloads_of
from codesign_gym.search_spaces import Designs, InputError, SearchSpace

if TYPE_CHECKING:
    from torch import Tensor

_WIDTH, _BATCH, _STEPS = 32, 256, 500
_SIZES = 9 + len(Kind)
_SHAPES: dict[str, Axes] = {
    "first": (_SIZES, "w"), "first_bias": ("w",), "second": ("w", "w"), "second_bias": ("w",),
    "cost": ("w", 1), "cost_bias": (1,), "up": ("w+1", "w"), "up_bias": ("w",), "last": ("w", 1),
    "slope": (1,), "last_bias": (1,),
}  # fmt: skip
"""Weights and what they are as large as."""


@dataclass(frozen=True, eq=False)
class LayerSet:
    """A fitted network.

    Attributes:
        weights: Arrays by the names of `_SHAPES`.
        center: Taken from the sizes of layers ``[d]``.
        spread: Divides them ``[d]``.
        affine: Scale and offset of the predictions, and of the logarithms of summed costs.
        space: The networks.
        codes: Features of each choice of every parameter, ``[choices, width]``.
    """

    weights: dict[str, NDArray[np.float32]]
    center: FloatArray
    spread: FloatArray
    affine: FloatArray
    space: SearchSpace
    codes: tuple[Matrix, ...]

    kind: ClassVar[str] = "layer-set"

    @classmethod
    def fit(cls, x: Matrix, y: FloatArray, seed: int = 0) -> Self:
        """Refused: a table of numbers has no layers."""
        raise InputError(f"{cls.kind} needs the designs of a space of networks to learn from")

    @classmethod
    def fit_layout(cls, x: Matrix, y: FloatArray, seed: int, layout: Layout) -> Self:
        """Train on networks; a layout without a space of networks raises `InputError`."""
        import torch

        if layout.space is None:
            return cls.fit(x, y, seed)
        network_space(layout.space)
        counts, sizes = _layers(layout.space, _designs(x, layout.codes))
        center, spread = standard(sizes)
        offset, scale = float(y.mean()), float(y.std()) or 1.0
        inputs = torch.tensor((sizes - center) / spread, dtype=torch.float32)
        numbers = torch.tensor(counts, dtype=torch.float32)
        goals = torch.tensor((y - offset) / scale, dtype=torch.float32)
        source = torch.Generator().manual_seed(seed)
        weights = {name: _drawn(name, source) for name in _SHAPES}
        depth = float(counts.sum(axis=1).mean())

        def batch() -> tuple[Tensor, Tensor]:
            rows = torch.randperm(len(x), generator=source)[:_BATCH]
            return _network(inputs, numbers[rows], depth, weights), goals[rows]

        descend(weights.values(), batch, 5e-3, 1e-3, _STEPS, beta=0.2)
        affine = np.array([scale, offset, depth])
        return cls(kept(weights), center, spread, affine, layout.space, layout.codes)

    def predict(self, x: Matrix) -> FloatArray:
        """Predictions ``[n]``; NaN for what cannot be built."""
        import torch

        out = np.full(len(x), np.nan)
        designs = _designs(x, self.codes)
        built = np.flatnonzero([not fault for fault in faults(self.space, designs)])
        if not len(built):
            return out
        counts, sizes = _layers(self.space, designs[built])
        scale, offset, depth = self.affine.tolist()
        weights = {name: torch.from_numpy(weight) for name, weight in self.weights.items()}
        with torch.no_grad(), one_thread():
            inputs = torch.tensor((sizes - self.center) / self.spread, dtype=torch.float32)
            numbers = torch.tensor(counts, dtype=torch.float32)
            found = _network(inputs, numbers, depth, weights).numpy().astype(np.float64)
        out[built] = found * scale + offset
        return out

    def arrays(self) -> Arrays:
        """All that `predict` needs."""
        codes = {f"codes{j}": code for j, code in enumerate(self.codes)}
        names = ("center", "spread", "affine")
        own = {"space": np.array(json.dumps(self.space.to_dict()))}
        return {**self.weights, **codes, **{name: getattr(self, name) for name in names}, **own}

    @classmethod
    def from_arrays(cls, arrays: Arrays, features: int) -> Self:
        """What `arrays` described; `ValueError` where the shapes disagree."""
        space = SearchSpace.from_dict(json.loads(str(arrays["space"])))
        network_space(space)
        codes = tuple(arrays[f"codes{j}"] for j in range(len(space)))
        weights = {name: arrays[name] for name in _SHAPES}
        fits = shaped_like(weights, _SHAPES, {"w": _WIDTH, "w+1": _WIDTH + 1}) and all(
            code.ndim == 2 and len(code) == len(parameter)
            for code, parameter in zip(codes, space.parameters, strict=True)
        )
        rest = {name: arrays[name] for name in ("center", "spread", "affine")}
        if (
            not fits
            or sum(code.shape[1] for code in codes) > features
            or rest["center"].shape != (_SIZES,)
            or rest["spread"].shape != (_SIZES,)
            or rest["affine"].shape != (3,)
        ):
            raise ValueError("its set of layers has arrays that do not fit each other")
        return cls(weights, **rest, space=space, codes=codes)


def _designs(x: Matrix, codes: tuple[Matrix, ...]) -> Designs:
    """The designs that rows ``[n, f]`` of features stand for ``[n, p]``."""
    ends = np.cumsum([code.shape[1] for code in codes])[:-1]
    columns = np.split(x[:, : sum(code.shape[1] for code in codes)], ends, axis=1)
    chosen = [
        ((own[:, None, :] - code) ** 2).sum(axis=2).argmin(axis=1)
        for own, code in zip(columns, codes, strict=True)
    ]
    return np.stack(chosen, axis=1).astype(np.int32)


def _layers(space: SearchSpace, designs: Designs) -> tuple[FloatArray, FloatArray]:
    """How often each network has each distinct layer ``[n, l]``, and their sizes ``[l, d]``."""
    loads = workloads_of(space, designs)
    counts = np.zeros((len(designs), len(loads.layers)))
    network = np.repeat(np.arange(len(designs)), np.diff(loads.indptr))
    counts[network, loads.indices] = loads.counts
    return counts, _sizes(loads.layers)


def _sizes(layers: Layers) -> FloatArray:
    """What a layer is to the model, ``[l, d]``."""
    amounts = (
        layers.macs + layers.ops,
        layers.weights,
        layers.ifmap_words,
        layers.ofmap_words,
        layers.k,
        layers.c // layers.groups,
    )
    columns = [np.log1p(amount.astype(np.float64)) for amount in amounts]
    columns += [layers.r * layers.s, layers.stride_h, (layers.groups > 1).astype(np.float64)]
    kinds = [(layers.kind == kind).astype(np.float64) for kind in Kind]
    return np.stack([*columns, *kinds], axis=1).astype(np.float64)


def _drawn(name: str, source: Any) -> Tensor:
    """First values of a weight: those of biases are 0, and what is summed begins as it is."""
    import torch

    shape = [{"w": _WIDTH, "w+1": _WIDTH + 1}.get(str(axis), axis) for axis in _SHAPES[name]]
    if name == "slope":
        return torch.ones([int(axis) for axis in shape])
    if name.endswith("bias"):
        return torch.zeros([int(axis) for axis in shape])
    drawn = torch.randn([int(axis) for axis in shape], generator=source)
    return drawn / math.sqrt(int(shape[0]))


def _network(layers: Tensor, counts: Tensor, depth: float, weights: dict[str, Tensor]) -> Tensor:
    """Standardised predictions ``[n]``.

    Args:
        layers: Standardised sizes ``[l, d]``.
        counts: How often each network has each layer ``[n, l]``.
        depth: Layers of a typical network.
        weights: By the names of `_SHAPES`.
    """
    import torch

    silu = torch.nn.functional.silu
    hidden = silu(layers @ weights["first"] + weights["first_bias"])
    vectors = silu(hidden @ weights["second"] + weights["second_bias"])
    costs = torch.nn.functional.softplus(vectors @ weights["cost"] + weights["cost_bias"])
    total = torch.log(counts @ costs / depth + 1e-6)
    seen = torch.cat([counts @ vectors / depth, total], dim=1)
    further = silu(seen @ weights["up"] + weights["up_bias"]) @ weights["last"]
    return (weights["slope"] * total + further + weights["last_bias"])[:, 0]
