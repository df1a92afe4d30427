"""Latency of a matrix product C[m, n] = A[m, k] B[k, n] on a GPU, from a few calibrated figures.

The roofline (Williams, Waterman and Patterson, CACM 2009) extended by what a tiled kernel adds to
it: C is cut into tiles, each computed by one block of threads on one streaming multiprocessor, so
that work comes in whole tiles and in whole waves of them (NVIDIA, "Matrix Multiplication Background
User's Guide", tile and wave quantisation); k may be split among blocks, whose partial sums are
added afterwards (Osama et al., "Stream-K", PPoPP 2023); operands pass the second-level cache once
per tile. A library chooses tile and split; here it chooses the fastest.

Letters: ``r`` products, ``c`` pairs of tile and split. Times are in the unit of the latencies that
the model was calibrated on, whatever it is: every figure is found from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces.errors import InputError

FloatArray = NDArray[np.float64]

_WORD = 2
"""Bytes of an operand's element; another size only scales the bandwidths that are found."""

_CHOICES = np.array(
    [
        (rows, columns, split)
        for rows in (16, 32, 64, 128, 256)
        for columns in (32, 64, 128, 256)
        if rows * columns <= 256 * 128  # what accumulators in registers allow
        for split in (1, 2, 3, 4, 6, 8, 12, 16, 32)
    ],
    dtype=np.float64,
)
"""Tiles and splits that a library may choose, ``[c, 3]``."""

_MULTIPROCESSORS = (108, 132, 148)
"""Of A100, H100 and B200, by their data sheets: one of them is near enough to any large GPU, since
throughput is found from the latencies and only waves depend on the number itself."""

_CHUNK = 2048
_CALIBRATION_ROWS = 1200
_SCAN_ROWS = 600
FEWEST_PRODUCTS = 30


@dataclass(frozen=True)
class GemmFigures:
    """What calibration finds; times in the unit of the latencies.

    Attributes:
        launch: Time of an empty kernel.
        rate: Operations per time of one multiprocessor on an endless tile.
        edge: Extra time of small tiles, in elements of a tile's side.
        block: Time to begin and end one tile.
        step: Time per element of k that no tile size avoids.
        dram: Bytes per time from memory.
        cache: Bytes per time from the second-level cache.
        split: Extra time where k is split.
        sharpness: How well compute and transfers overlap: at 1 they add up.
        whole: How much of a last, partly filled wave is paid: all of it at 1.
    """

    launch: float
    rate: float
    edge: float
    block: float
    step: float
    dram: float
    cache: float
    split: float
    sharpness: float
    whole: float


@dataclass(frozen=True)
class GpuGemm:
    """A calibrated GPU; a baseline that a learned model can correct.

    Attributes:
        figures: What calibration found.
        multiprocessors: Streaming multiprocessors.
    """

    figures: GemmFigures
    multiprocessors: int

    kind = "gpu-gemm"
    inputs = ("m", "n", "k")
    groups = ("n", "k")  # products of one weight matrix are measured together

    @classmethod
    def fit(
        cls,
        columns: Mapping[str, NDArray[Any]],
        latency: FloatArray,
        seed: int = 0,
        multiprocessors: int | None = None,
    ) -> Self:
        """Calibrate on measured latencies ``[r]`` of products with the columns m, n and k.

        Args:
            columns: The columns m, n and k ``[r]``, whole numbers of at least 1.
            latency: Times, all in one unit.
            seed: Which products are looked at where there are many.
            multiprocessors: How many the GPU has; None finds what explains the latencies best.

        Raises:
            InputError: Fewer than `FEWEST_PRODUCTS`, or a size or latency is not positive.
        """
        m, n, k = _sizes(columns)
        if len(m) < FEWEST_PRODUCTS:
            raise InputError(
                f"calibrating a GPU needs at least {FEWEST_PRODUCTS} products, got {len(m)}"
            )
        if not (np.isfinite(latency).all() and (latency > 0).all()):
            raise InputError("latencies to calibrate a GPU on must be finite and above 0")
        rows = np.random.default_rng(seed).permutation(len(m))[:_CALIBRATION_ROWS]
        part = m[rows], n[rows], k[rows]
        few, some = tuple(size[:_SCAN_ROWS] for size in part), latency[rows[:_SCAN_ROWS]]
        counts = _MULTIPROCESSORS if multiprocessors is None else (multiprocessors,)
        tried = [
            _calibrated(cls(_guess(few, some, count), count), few, some, 15) for count in counts
        ]
        best = min(range(len(tried)), key=lambda i: tried[i][1])
        found: Self = _calibrated(tried[best][0], part, latency[rows], 20)[0]
        return found

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> FloatArray:
        """Latencies ``[r]`` of products with the columns m, n and k."""
        sizes = _sizes(columns)
        parts = [_times(self, *chunk).min(axis=1) for chunk in _chunks(sizes)]
        return np.concatenate(parts) if parts else np.empty(0)

    def features(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, FloatArray]:
        """What decides how far a product is from the prediction: columns ``[r]``.

        Sizes, intensities, chosen tile and split, waves and how full the last one is, and how
        full the last tiles are.
        """
        parts = [_features(self, *chunk) for chunk in _chunks(_sizes(columns))]
        names = parts[0] if parts else ()
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description."""
        return {
            "figures": {f.name: getattr(self.figures, f.name) for f in fields(GemmFigures)},
            "multiprocessors": self.multiprocessors,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What `to_dict` described."""
        return cls(GemmFigures(**data["figures"]), int(data["multiprocessors"]))


def _sizes(columns: Mapping[str, NDArray[Any]]) -> tuple[FloatArray, FloatArray, FloatArray]:
    sizes = []
    for name in GpuGemm.inputs:
        if name not in columns:
            raise InputError(f"a matrix product needs the columns m, n and k, got no {name!r}")
        values = np.asarray(columns[name], dtype=np.float64)
        bad = ~(np.isfinite(values) & (values >= 1))
        if bad.any():
            raise InputError(
                f"sizes of a matrix product must be at least 1, got {name} = {values[bad][0]}"
            )
        sizes.append(values)
    return sizes[0], sizes[1], sizes[2]


def _chunks(sizes: tuple[FloatArray, ...]) -> list[tuple[FloatArray, ...]]:
    return [
        tuple(size[start : start + _CHUNK] for size in sizes)
        for start in range(0, len(sizes[0]), _CHUNK)
    ]


def _times(gpu: GpuGemm, m: FloatArray, n: FloatArray, k: FloatArray) -> FloatArray:
    """Latency of every product with every tile and split, ``[r, c]``."""
    f = gpu.figures
    rows, columns, split = _CHOICES.T
    m, n, k = m[:, None], n[:, None], k[:, None]
    tiles = np.ceil(m / rows) * np.ceil(n / columns)
    share = 32 * np.ceil(k / split / 32)  # a main loop takes whole steps of k
    waves = tiles * split / gpu.multiprocessors
    waves = f.whole * np.ceil(waves) + (1 - f.whole) * np.maximum(waves, 1)
    per_k = 2 * rows * columns / f.rate * (1 + f.edge * (1 / rows + 1 / columns)) + f.step
    compute = waves * (share * per_k + f.block)
    memory = _WORD * (m * k + k * n + m * n) / f.dram
    partial = np.where(split > 1, 4 * _WORD * split, _WORD) * (m * n)
    cache = (_WORD * k * tiles * (rows + columns) + partial) / f.cache
    p = f.sharpness
    busy = np.maximum(np.maximum(compute, memory), cache)
    overlapped = ((compute / busy) ** p + (memory / busy) ** p + (cache / busy) ** p) ** (1 / p)
    return np.asarray(f.launch + np.where(split > 1, f.split, 0) + busy * overlapped)


def _guess(sizes: tuple[FloatArray, ...], latency: FloatArray, multiprocessors: int) -> GemmFigures:
    """A first guess: the shortest latency, the highest rate and the highest bandwidth seen."""
    m, n, k = sizes
    bandwidth = float((_WORD * (m * k + k * n + m * n) / latency).max())
    shortest = float(latency.min())
    return GemmFigures(
        launch=shortest,
        rate=float((2 * m * n * k / latency).max()) / multiprocessors,
        edge=8.0,
        block=shortest / 5,
        step=shortest / 1e4,
        dram=bandwidth,
        cache=3 * bandwidth,
        split=shortest / 2,
        sharpness=3.0,
        whole=0.7,
    )


def _calibrated(
    gpu: GpuGemm, sizes: tuple[FloatArray, ...], latency: FloatArray, evaluations: int
) -> tuple[Any, float]:
    """The figures that explain latencies best from here, and the loss that is left per product."""
    from scipy.optimize import least_squares

    start = np.log(np.array(astuple(gpu.figures)))
    low, high = start - 2.5, start + 2.5
    names = [f.name for f in fields(GemmFigures)]
    low[names.index("step")] -= 2.5
    low[names.index("sharpness")], high[names.index("sharpness")] = 0.0, np.log(16.0)
    low[names.index("whole")], high[names.index("whole")] = np.log(0.05), 0.0
    start = np.clip(start, low + 1e-6, high - 1e-6)

    def errors(logs: FloatArray) -> FloatArray:
        tried = replace(gpu, figures=GemmFigures(*np.exp(logs).tolist()))
        return np.asarray(np.log(_times(tried, *sizes).min(axis=1) / latency))

    # Steps much larger than rounding: the number of waves makes the errors piecewise smooth.
    found = least_squares(
        errors, start, bounds=(low, high), loss="soft_l1", f_scale=0.1, diff_step=1e-3,
        max_nfev=evaluations,
    )  # fmt: skip
    figures = GemmFigures(*np.exp(found.x).tolist())
    return replace(gpu, figures=figures), float(found.cost) / len(latency)


def _features(gpu: GpuGemm, m: FloatArray, n: FloatArray, k: FloatArray) -> dict[str, FloatArray]:
    times = _times(gpu, m, n, k)
    order = np.argpartition(times, 1, axis=1)[:, :2]
    two = np.sort(np.take_along_axis(times, order, axis=1), axis=1)
    rows, columns, split = _CHOICES[times.argmin(axis=1)].T
    best = two[:, 0]
    waves = np.ceil(m / rows) * np.ceil(n / columns) * split / gpu.multiprocessors
    compute = 2 * m * n * k / (gpu.figures.rate * gpu.multiprocessors)
    moved = m * k + k * n + m * n
    memory = _WORD * moved / gpu.figures.dram
    found = {
        "log_m": np.log(m),
        "log_n": np.log(n),
        "log_k": np.log(k),
        "log_macs": np.log(m * n * k),
        "log_words": np.log(moved),
        "log_nk": np.log(n * k),
        "log_mn": np.log(m * n),
        "log_mk": np.log(m * k),
        "log_m_over_n": np.log(m / n),
        "log_balance": np.log(compute / memory),
        "log_baseline": np.log(best),
        "compute_share": compute / best,
        "memory_share": memory / best,
        "log_second_best": np.log(two[:, 1] / best),
        "tile_rows": np.log2(rows),
        "tile_columns": np.log2(columns),
        "split": split,
        "log_waves": np.log(waves),
        "last_wave": waves / np.ceil(waves),
    }
    for high, wide in ((64, 64), (128, 128), (256, 128), (128, 256)):
        waves = np.ceil(m / high) * np.ceil(n / wide) / gpu.multiprocessors
        found[f"log_waves_{high}x{wide}"] = np.log(waves)
        found[f"last_wave_{high}x{wide}"] = waves / np.ceil(waves)
    for size in (8, 16, 64, 128, 256):
        found[f"last_rows_{size}"] = m / size / np.ceil(m / size)
    found["last_columns_128"] = n / 128 / np.ceil(n / 128)
    return found
