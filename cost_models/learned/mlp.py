"""Several small networks, their mean (Lakshminarayanan et al., "Deep ensembles", NIPS 2017).

Trained with torch on one thread, kept as arrays, evaluated with NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.descent import descend
from codesign_gym.cost_models.learned.regressors import (
    Arrays,
    FloatArray,
    Matrix,
    standard,
    wide_columns,
    with_logarithms,
)

if TYPE_CHECKING:
    from torch import Tensor

_MEMBERS, _WIDTH, _BATCH, _STEPS = 3, 96, 128, 2000


@dataclass(frozen=True, eq=False)
class MlpEnsemble:
    """Networks of two hidden layers; ``e`` members, ``w`` units.

    Attributes:
        layers: Weights and biases of the three layers: ``[e, f, w]``, ``[e, 1, w]``, ...
        center: Taken from the features ``[f]``.
        spread: Divides them ``[f]``.
        wide: Features taken as logarithms ``[f]``.
        affine: Scale and offset of the predictions.
    """

    layers: tuple[NDArray[np.float32], ...]
    center: FloatArray
    spread: FloatArray
    wide: NDArray[np.bool_]
    affine: FloatArray

    kind: ClassVar[str] = "mlp"

    @classmethod
    def fit(cls, x: Matrix, y: FloatArray, seed: int = 0) -> Self:
        """Train the members side by side."""
        import torch

        wide = wide_columns(x)
        values = with_logarithms(x, wide)
        center, spread = standard(values)
        offset, scale = float(y.mean()), float(y.std()) or 1.0
        inputs = torch.tensor((values - center) / spread, dtype=torch.float32)
        goals = torch.tensor((y - offset) / scale, dtype=torch.float32)
        source = torch.Generator().manual_seed(seed)
        sizes = (x.shape[1], _WIDTH, _WIDTH, 1)
        layers = []
        for fan_in, fan_out in pairwise(sizes):
            drawn = torch.randn((_MEMBERS, fan_in, fan_out), generator=source)
            layers += [drawn * (2 / fan_in) ** 0.5, torch.zeros((_MEMBERS, 1, fan_out))]

        def batch() -> tuple[Tensor, Tensor]:
            rows = torch.randint(len(x), (_MEMBERS, _BATCH), generator=source)
            hidden = inputs[rows]
            for weight, bias in zip(layers[0:4:2], layers[1:4:2], strict=True):
                hidden = torch.nn.functional.silu(torch.baddbmm(bias, hidden, weight))
            return torch.baddbmm(layers[5], hidden, layers[4])[:, :, 0], goals[rows]

        descend(layers, batch, 4e-3, 1e-4, _STEPS)
        kept = tuple(layer.detach().numpy().copy() for layer in layers)
        return cls(kept, center, spread, wide, np.array([scale, offset]))

    def predict(self, x: Matrix) -> FloatArray:
        """Mean of the members, ``[n]``."""
        values = (with_logarithms(x, self.wide) - self.center) / self.spread
        hidden = np.broadcast_to(values.astype(np.float32), (len(self.layers[0]), *values.shape))
        for weight, bias in zip(self.layers[0:4:2], self.layers[1:4:2], strict=True):
            hidden = hidden @ weight + bias
            hidden = hidden / (1 + np.exp(-np.maximum(hidden, -80)))
        each = (hidden @ self.layers[4] + self.layers[5])[:, :, 0]
        scale, offset = self.affine
        return np.asarray(each.mean(axis=0, dtype=np.float64) * scale + offset)

    def arrays(self) -> Arrays:
        """All that `predict` needs."""
        kept = {f"layer{i}": layer for i, layer in enumerate(self.layers)}
        names = ("center", "spread", "wide", "affine")
        return kept | {name: getattr(self, name) for name in names}

    @classmethod
    def from_arrays(cls, arrays: Arrays, features: int) -> Self:
        """What `arrays` described; `ValueError` where the shapes disagree."""
        layers = tuple(arrays[f"layer{i}"] for i in range(6))
        e, w = layers[0].shape[0], layers[0].shape[-1]
        shapes = [(e, features, w), (e, 1, w), (e, w, w), (e, 1, w), (e, w, 1), (e, 1, 1)]
        rest = {name: arrays[name] for name in ("center", "spread", "wide", "affine")}
        fits = [layer.shape for layer in layers] == shapes and all(
            rest[name].shape == (features,) for name in ("center", "spread", "wide")
        )
        if not fits or rest["affine"].shape != (2,):
            raise ValueError("its networks have arrays that do not fit each other")
        return cls(layers, **rest)
