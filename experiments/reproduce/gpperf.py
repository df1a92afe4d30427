"""Times and power of matrix products on GPUs, by learning alone and by correcting a roofline.

Liu and Halim, "Understanding GEMM Performance and Energy on NVIDIA Ada Lovelace" (GPPerf, arXiv
2411.16954), predict what a GPU takes for a matrix product by forests over rows split at random: R2
0.98 and a mean error of 15.57 % for the time, R2 0.78 and a median error of 5.42 % for the power.
Here the table is another one, measured on A100 and H100 in
bf16 (``gemm/gemm_bf16_measured.csv.gz`` in the folder ``CODESIGN_REFERENCE``), and rows split at
random are one of three tests: sizes of weights that are new, and products larger than any seen, are
what a user has. Power is learned where a table has it; this one has not, and the package's own
model of a GPU, `GpuGemm`, gives times alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from codesign_gym.cost_models import learned
from codesign_gym.cost_models.analytical import gemm_gpu
from codesign_gym.cost_models.analytical.gemm_gpu import GpuGemm
from codesign_gym.cost_models.learned import read_table, train
from codesign_gym.cost_models.learned.frames import Frame
from codesign_gym.experiments.bench_proxies import GEMM, gemm_splits, reference_folder
from codesign_gym.experiments.console import slug
from codesign_gym.experiments.reproduce.finding import Claim, Drawing, Finding, Row, Settings
from codesign_gym.experiments.reproduce.pieces import code_of, piece
from codesign_gym.experiments.scores import point_scores, scores
from codesign_gym.search_spaces import InputError

SOURCE = "GPPerf, Liu and Halim, arXiv 2411.16954"
SIZES = ("m", "n", "k")
TIME = "latency"
POWER = ("power", "energy")
"""Columns that are learned too where a table has them."""

PUBLISHED_R2, PUBLISHED_MEAN_PCT = 0.98, 15.57
PUBLISHED_POWER_R2, PUBLISHED_POWER_MEDIAN_PCT = 0.78, 5.42
WAYS = ("forest", "roofline", "roofline, corrected")
RANDOM = "random"


def study(settings: Settings, table: Path | None = None, model: str = "auto") -> Finding:
    """Three ways to predict, on three splits, per device.

    Args:
        settings: ``budget`` is the most rows that are trained on, ``seeds`` the splits drawn.
        table: Columns m, n, k, latency, and system where there are several; by default that of the
            reference folder.
        model: Method that corrects the roofline, as `train` takes it.

    Raises:
        InputError: There is no such table, or it lacks a column.
    """
    path = table or reference_folder() / GEMM
    if not path.is_file():
        raise InputError(
            f"there is no table of measured products {path}: set CODESIGN_REFERENCE to the folder "
            f"that has {GEMM}"
        )
    whole = read_table(path)
    for name in (*SIZES, TIME):
        if name not in whole.columns:
            raise InputError(f"{path} lacks the column {name!r}; it has {', '.join(whole.columns)}")
    systems = whole.columns.get("system", np.full(whole.rows, "the GPU"))
    names = np.unique(systems).tolist()
    targets = [TIME, *(name for name in POWER if name in whole.columns)]
    rows: list[Row] = []
    for index, (name, seed) in enumerate((n, s) for n in names for s in range(settings.seeds)):
        frame = whole.take(np.flatnonzero(systems == name))
        for target in targets:
            about = {"system": name, "target": target, "seed": seed}
            made = about | {
                "rows": frame.digest(),
                "budget": settings.budget,
                "model": model,
                "code": code_of(learned, gemm_gpu, sys.modules[__name__]),
            }
            place = settings.directory / "pieces" / f"{slug(f'{name} {target}')}-{seed}.json"
            make = partial(_device, frame, target, settings.budget, seed, model)
            rows += [about | row for row in piece(place, made, make)]
        settings.progress(index + 1, len(names) * settings.seeds)
    claims = _claims(rows, targets)
    return Finding(
        title="What a GPU takes for a matrix product, predicted",
        source=SOURCE,
        summary=_summary(rows),
        claims=claims,
        tables={"Errors on rows that were not trained on": rows},
        drawings=[_drawing(rows)],
        settings={"seeds": settings.seeds, "budget": settings.budget, "table": path.name},
    )


def _device(frame: Frame, target: str, most: int, seed: int, model: str) -> list[Row]:
    """Errors of every way on every split of one device's rows."""
    rows: list[Row] = []
    for split, tested in gemm_splits(frame, seed).items():
        left = np.random.default_rng(seed).permutation(np.flatnonzero(~tested))[:most]
        part, test = frame.take(np.sort(left)), frame.take(np.flatnonzero(tested))
        truth = test.columns[target]
        forest = train(part, target, SIZES, "random-forest", "none", seed)
        found = {"forest": scores(forest, test, target)}
        predicted = {"forest": forest.predict(test)[0]}
        if target == TIME:
            gpu = GpuGemm.fit(part.columns, part.columns[TIME], seed)
            predicted["roofline"] = gpu.predict(test.columns)
            found["roofline"] = point_scores(truth, predicted["roofline"])
            corrected = train(part, target, SIZES, model, gpu, seed)
            predicted["roofline, corrected"] = corrected.predict(test)[0]
            found["roofline, corrected"] = scores(corrected, test, target)
        for way, score in found.items():
            median = float(np.median(np.abs(predicted[way] / truth - 1)))
            rows.append(
                {
                    "split": split,
                    "way": way,
                    "trained on": part.rows,
                    "R2": score["r2"],
                    "mean error %": score["mape_pct"],
                    "median error %": 100 * median,
                    "50 % intervals hold %": score.get("coverage_50_pct", "-"),
                    "90 % intervals hold %": score.get("coverage_90_pct", "-"),
                    "flagged %": score.get("extrapolated_pct", "-"),
                }
            )
    return rows


def _of(rows: Sequence[Row], **wanted: str) -> list[Row]:
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _mean(rows: Sequence[Row], column: str) -> float:
    return float(np.mean([row[column] for row in rows]))


def _claims(rows: Sequence[Row], targets: Sequence[str]) -> list[Claim]:
    claims = []
    systems = list(dict.fromkeys(str(row["system"]) for row in rows))
    for system in systems:
        own = _of(rows, system=system, target=TIME)
        seen = {way: _of(own, split=RANDOM, way=way) for way in WAYS}
        r2, error = _mean(seen["forest"], "R2"), _mean(seen["forest"], "mean error %")
        claims.append(
            Claim(
                f"{system}: a forest predicts times of rows split at random",
                f"R2 {PUBLISHED_R2}, mean error {PUBLISHED_MEAN_PCT} % (RTX 4070)",
                f"R2 {r2:.4f}, mean error {error:.1f} %; corrected roofline "
                f"{_mean(seen[WAYS[2]], 'R2'):.4f}, {_mean(seen[WAYS[2]], 'mean error %'):.1f} %",
                r2 >= PUBLISHED_R2 and error <= PUBLISHED_MEAN_PCT,
            )
        )
        large = {way: _of(own, split="largest fifth", way=way) for way in WAYS}
        errors = {way: _mean(found, "mean error %") for way, found in large.items()}
        claims.append(
            Claim(
                f"{system}: so it does for products larger than any seen",
                "not tested",
                ", ".join(f"{way} {error:.1f} %" for way, error in errors.items()),
                errors["forest"] <= PUBLISHED_MEAN_PCT,
            )
        )
    text = "a forest predicts power of rows split at random"
    published = f"R2 {PUBLISHED_POWER_R2}, median error {PUBLISHED_POWER_MEDIAN_PCT} % (RTX 4070)"
    for target in targets[1:]:
        own = _of(rows, target=target, split=RANDOM)
        r2, error = _mean(own, "R2"), _mean(own, "median error %")
        holds = r2 >= PUBLISHED_POWER_R2 and error <= PUBLISHED_POWER_MEDIAN_PCT
        measured = f"{target}: R2 {r2:.3f}, median error {error:.2f} %"
        claims.append(Claim(text, published, measured, holds))
    if len(targets) == 1:
        measured = "the table has no power or energy, and the package's GPU model gives times alone"
        claims.append(Claim(text, published, measured, None))
    return claims


def _summary(rows: Sequence[Row]) -> str:
    def error(way: str, split: str) -> float:
        return _mean(_of(rows, target=TIME, way=way, split=split), "mean error %")

    return (
        f"On rows split at random a forest's mean error is {error('forest', RANDOM):.1f} %, on "
        f"products larger than any seen {error('forest', 'largest fifth'):.1f} %: a random split "
        "does not show what is learned of sizes that are new. A roofline calibrated on the same "
        f"rows and corrected by trees is at {error(WAYS[2], RANDOM):.1f} and "
        f"{error(WAYS[2], 'largest fifth'):.1f} %."
    )


def _drawing(rows: Sequence[Row]) -> Drawing:
    import plotly.graph_objects as go

    from codesign_gym.experiments.report.figures import axis, colour, figure

    timed = _of(rows, target=TIME)
    places = list(dict.fromkeys((str(row["system"]), str(row["split"])) for row in timed))
    bars = [
        go.Bar(
            x=[f"{system.split('_')[0]}, {split}" for system, split in places],
            y=[
                _mean(_of(timed, system=system, split=split, way=way), "mean error %")
                for system, split in places
            ],
            name=way,
            marker={"color": colour(w)},
        )
        for w, way in enumerate(WAYS)
    ]
    return Drawing(
        "Mean errors of times",
        "By device and by what the tested rows have in common with those trained on.",
        figure(bars, yaxis=axis("mean error, %", log=True), barmode="group"),
    )
