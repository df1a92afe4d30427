"""Attention over groups of features, in the manner of NCPP.

Liu, "NCPP: Nova CPU Performance Predictor on a Novel Dataset" (arXiv 2407.03385): characteristics
of a machine come in groups, such as its cores, its caches and its memory; what matters is found
within each group first and between the groups then. Here a group becomes a token by a small network
of its own, and one layer of attention (Vaswani et al., NIPS 2017) relates the tokens. Trained with
torch on one thread, kept as arrays, evaluated with NumPy. Letters: ``g`` tokens, ``w`` units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.descent import Axes, descend, kept, shaped_like
from codesign_gym.cost_models.learned.layout import Layout
from codesign_gym.cost_models.learned.regressors import (
    Arrays,
    FloatArray,
    Matrix,
    standard,
    wide_columns,
    with_logarithms,
)
from codesign_gym.cost_models.threads import one_thread

if TYPE_CHECKING:
    from torch import Tensor

_WIDTH, _HEADS, _BATCH, _STEPS = 32, 4, 128, 600
_CHUNK = 1024
"""Rows that are predicted at once."""

_SHAPES: dict[str, Axes] = {
    "embed": ("f", "g*w"), "embed_bias": ("g*w",),
    "mix": ("g", "w", "w"), "mix_bias": ("g", 1, "w"),
    "query": ("w", "w"), "key": ("w", "w"), "values": ("w", "w"), "out": ("w", "w"),
    "up": ("w", "w"), "up_bias": ("w",), "last": ("w", 1), "last_bias": (1,),
}  # fmt: skip
"""Weights and what they are as large as."""


@dataclass(frozen=True, eq=False)
class GroupAttention:
    """A fitted network.

    Attributes:
        weights: Arrays by the names of `_SHAPES`.
        center: Taken from the features ``[f]``.
        spread: Divides them ``[f]``.
        wide: Features taken as logarithms ``[f]``.
        affine: Scale and offset of the predictions.
    """

    weights: dict[str, NDArray[np.float32]]
    center: FloatArray
    spread: FloatArray
    wide: NDArray[np.bool_]
    affine: FloatArray

    kind: ClassVar[str] = "group-attention"

    @classmethod
    def fit(cls, x: Matrix, y: FloatArray, seed: int = 0) -> Self:
        """Train with every feature as a token of its own."""
        return cls._fit(x, y, seed, np.arange(x.shape[1]))

    @classmethod
    def fit_layout(cls, x: Matrix, y: FloatArray, seed: int, layout: Layout) -> Self:
        """Train with the groups of a layout as tokens; what is in none of them is one more."""
        further = x.shape[1] - len(layout.tokens)
        rest = np.full(further, int(layout.tokens.max()) + 1)
        return cls._fit(x, y, seed, np.concatenate([layout.tokens, rest]))

    @classmethod
    def _fit(cls, x: Matrix, y: FloatArray, seed: int, tokens: NDArray[np.intp]) -> Self:
        import torch

        wide = wide_columns(x)
        values = with_logarithms(x, wide)
        center, spread = standard(values)
        offset, scale = float(y.mean()), float(y.std()) or 1.0
        inputs = torch.tensor((values - center) / spread, dtype=torch.float32)
        goals = torch.tensor((y - offset) / scale, dtype=torch.float32)
        source = torch.Generator().manual_seed(seed)
        sizes = {"f": x.shape[1], "g": int(tokens.max()) + 1, "w": _WIDTH}
        sizes["g*w"] = sizes["g"] * _WIDTH
        weights = {name: _drawn(name, sizes, source) for name in _SHAPES}
        own = np.repeat(np.arange(sizes["g"]), _WIDTH) == tokens[:, None]
        mask = torch.tensor(own, dtype=torch.float32)
        size = np.sqrt(np.bincount(tokens, minlength=sizes["g"]))
        with torch.no_grad():  # a token of few features begins as large as one of many
            weights["embed"] *= mask * torch.tensor(1 / np.repeat(size, _WIDTH)).float()

        def batch() -> tuple[Tensor, Tensor]:
            rows = torch.randint(len(x), (_BATCH,), generator=source)
            masked = weights | {"embed": weights["embed"] * mask}
            return _network(inputs[rows], masked), goals[rows]

        descend(weights.values(), batch, 3e-3, 1e-3, _STEPS)
        trained = kept(weights)
        trained["embed"] *= own
        return cls(trained, center, spread, wide, np.array([scale, offset]))

    def predict(self, x: Matrix) -> FloatArray:
        """Predictions ``[n]``."""
        import torch

        values = ((with_logarithms(x, self.wide) - self.center) / self.spread).astype(np.float32)
        weights = {name: torch.from_numpy(weight) for name, weight in self.weights.items()}
        parts = [np.empty(0)]
        with torch.no_grad(), one_thread():
            for start in range(0, len(values), _CHUNK):
                chunk = torch.from_numpy(values[start : start + _CHUNK])
                parts.append(_network(chunk, weights).numpy().astype(np.float64))
        scale, offset = self.affine
        return np.asarray(np.concatenate(parts) * scale + offset)

    def arrays(self) -> Arrays:
        """All that `predict` needs."""
        names = ("center", "spread", "wide", "affine")
        return {**self.weights, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_arrays(cls, arrays: Arrays, features: int) -> Self:
        """What `arrays` described; `ValueError` where the shapes disagree."""
        weights = {name: arrays[name] for name in _SHAPES}
        g, w = weights["mix"].shape[:2]
        sizes = {"f": features, "g": g, "w": w, "g*w": g * w}
        fits = w % _HEADS == 0 and shaped_like(weights, _SHAPES, sizes)
        rest = {name: arrays[name] for name in ("center", "spread", "wide", "affine")}
        fits = fits and all(rest[name].shape == (features,) for name in rest if name != "affine")
        if not fits or rest["affine"].shape != (2,):
            raise ValueError("its attention has arrays that do not fit each other")
        return cls(weights, **rest)


def _drawn(name: str, sizes: dict[str, int], source: Any) -> Tensor:
    """First values of a weight; those of biases are 0."""
    import torch

    shape = [sizes[axis] if isinstance(axis, str) else axis for axis in _SHAPES[name]]
    if name.endswith("bias"):
        return torch.zeros(shape)
    fan_in = 1 if name == "embed" else shape[-2]
    return torch.randn(shape, generator=source) / math.sqrt(fan_in)


def _network(values: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Standardised predictions ``[n]`` for standardised features ``[n, f]``."""
    import torch

    silu, w = torch.nn.functional.silu, weights["query"].shape[0]
    n = len(values)
    embedded = silu(values @ weights["embed"] + weights["embed_bias"]).reshape(n, -1, w)
    tokens = torch.baddbmm(weights["mix_bias"], embedded.transpose(0, 1), weights["mix"])
    tokens = silu(tokens).transpose(0, 1)  # [n, g, w]
    query, key, value = (
        (tokens @ weights[name]).reshape(n, -1, _HEADS, w // _HEADS).transpose(1, 2)
        for name in ("query", "key", "values")
    )
    share = torch.softmax(query @ key.transpose(2, 3) / (w // _HEADS) ** 0.5, dim=-1)
    seen = (share @ value).transpose(1, 2).reshape(n, -1, w) @ weights["out"]
    pooled = (tokens + seen).mean(dim=1)
    hidden = pooled + silu(pooled @ weights["up"] + weights["up_bias"])
    return (hidden @ weights["last"] + weights["last_bias"])[:, 0]
