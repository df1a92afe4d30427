"""Three workloads of augmented reality, the ones that FARSI and ArchGym search chips for.

FARSI (Boroujerdian et al., arXiv 2201.05232) explores chips for an audio decoder, edge detection
and CAVA, a camera pipeline. The graphs here are our own, worked out of what the algorithms do.

Derived, in code, are all operation counts and bytes, from the sizes of images, filters, transforms
and blocks; one multiply-accumulate is two operations. Assumptions, each a constant or said at its
task: the camera, VGA at 30 frames/s as for ILLIXR's tracking, of which CAVA gets every second pixel
and line (it feeds a classifier of small images); widths of words; 8 operations for a square root;
16 control points of the gamut map; and that an image is processed as two strips, which overlap by
the halo of the filters.

ILLIXR (Huzaifa et al., arXiv 2004.04643) gives the audio: 48 kHz in blocks of 1,024 samples, and
the stages of playback: a psychoacoustic filter, rotation and zoom of the sound field, and
binauralisation. A third-order sound field has 16 channels. Filters are overlap-save convolutions
of twice a block.

Edge detection takes zero crossings of the Laplacian of a smoothed image (Marr and Hildreth 1980)
where the gradient (Sobel) is large against its maximum over the image.

CAVA (Harvard's camera pipeline) is scaling, demosaicing, denoising, colour transform, gamut
mapping, tone mapping and scaling back, here on slices of 32 lines as image processors work.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from codesign_gym.cost_models.workloads.task_graphs import Task, TaskGraph
from codesign_gym.search_spaces.errors import unknown_name

WIDTH, HEIGHT, FRAMES_PER_S = 640, 480, 30
"""The camera: an assumption, VGA as ILLIXR's."""

BINNING = 2
"""Pixels and lines of the camera for one of CAVA's."""

STRIPS = 2
"""Strips of an image that can be in different stages, or on different cores, at a time."""

SQUARE_ROOT = 8
"""Operations of a square root: an assumption, a few Newton steps."""

SAMPLE_RATE_HZ, BLOCK, ORDER = 48_000, 1_024, 3
"""ILLIXR's audio, and the order of the sound field."""

SLICE_LINES, CONTROL_POINTS = 32, 16
"""CAVA: lines of a slice; control points of the gamut map, an assumption."""


def edge_detection() -> TaskGraph:
    """Edges of a frame of 8-bit grey, 12 tasks; Laplacian and gradient have 16 bit.

    >>> round(edge_detection().operations.sum() / (640 * 480))  # per pixel, some of it twice
    129
    """
    halo = 2 + 1 + 1  # of smoothing, Laplacian or gradient, and zero crossings
    pixels = WIDTH * (HEIGHT // STRIPS + halo)
    smooth, stencil, neighbours = 2 * 5 * 5, 2 * 3 * 3, 8
    before, after = [], []
    for s in range(STRIPS):
        names = {n: f"{n}_{s}" for n in ("smooth", "laplace", "zero", "gradient", "maximum")}
        smoothed = {names["smooth"]: pixels}
        before += [
            Task(names["smooth"], "stencil", pixels * smooth, pixels, input_bytes=pixels),
            Task(names["laplace"], "stencil", pixels * stencil, 2 * pixels, smoothed),
            Task(names["gradient"], "stencil", pixels * (2 * stencil + 3 + SQUARE_ROOT),
                 2 * pixels, smoothed),
            Task(names["zero"], "stencil", pixels * neighbours, pixels,
                 {names["laplace"]: 2 * pixels}),
            Task(names["maximum"], "pointwise", pixels, 4, {names["gradient"]: 2 * pixels}),
        ]  # fmt: skip
        reads = {names["zero"]: pixels, names["gradient"]: 2 * pixels}
        reads |= {f"maximum_{other}": 4 for other in range(STRIPS)}
        # Scale, compare and combine; an edge is a byte.
        after.append(Task(f"reject_{s}", "pointwise", 3 * pixels, pixels, reads))
    return TaskGraph("edge-detection", (*before, *after), 1e3 / FRAMES_PER_S)


def audio_decoder() -> TaskGraph:
    """Playback of a block of a third-order sound field, 11 tasks; fp32, the input has 16 bit.

    >>> round(audio_decoder().period_ms, 2)
    21.33
    """
    orders = range(ORDER + 1)
    channels = sum(2 * order + 1 for order in orders)
    length, bins, word = 2 * BLOCK, BLOCK + 1, 4
    # A real transform: half the 5 N log2 N of a complex one; complex products have 6 operations,
    # with accumulation 8.
    transform = 2.5 * length * math.log2(length)
    tasks = []
    for order in orders:
        count = 2 * order + 1
        tasks.append(
            Task(f"psychoacoustic_{order}", "fft", count * (2 * transform + 6 * bins),
                 count * BLOCK * word, input_bytes=count * BLOCK * 2)
        )  # fmt: skip
    for order in orders[1:]:  # order 0 has no direction to turn
        count = 2 * order + 1
        block = count * BLOCK * word
        reads = {f"psychoacoustic_{order}": block}
        tasks.append(Task(f"rotate_{order}", "matrix", 2 * count * count * BLOCK, block, reads))
    field = {"psychoacoustic_0": BLOCK * word}
    field |= {f"rotate_{order}": (2 * order + 1) * BLOCK * word for order in orders[1:]}
    block, spectra = channels * BLOCK * word, channels * bins * 2 * word
    tasks.append(Task("zoom", "matrix", 2 * channels * channels * BLOCK, block, field))
    tasks.append(Task("spectra", "fft", channels * transform, spectra, {"zoom": block}))
    for ear in ("left", "right"):
        operations = 8 * channels * bins + transform
        tasks.append(Task(f"ear_{ear}", "fft", operations, BLOCK * word, {"spectra": spectra}))
    return TaskGraph("audio-decoder", tuple(tasks), 1e3 * BLOCK / SAMPLE_RATE_HZ, word)


def cava() -> TaskGraph:
    """A slice of raw image to displayable colour, 14 tasks; 16 bit per colour.

    >>> round(cava().period_ms, 2)
    4.44
    """
    halo = 1 + 1  # of demosaicing and of denoising
    pixels = WIDTH // BINNING * (SLICE_LINES // STRIPS + 2 * halo)
    raw, colour = 2 * pixels, 3 * 2 * pixels
    median = 2 * 19  # 19 compare-exchanges sort out the median of 9
    point = 3 + 5 + SQUARE_ROOT + 2 * 3  # distance in three colours, and its weight on each
    stages: tuple[tuple[str, str, float, float], ...] = (
        ("scale", "pointwise", 2, raw),
        ("demosaic", "stencil", 2 * 4, colour),
        ("denoise", "stencil", 3 * median, colour),
        ("transform", "pointwise", 2 * 9, colour),
        ("gamut", "gamut", CONTROL_POINTS * point, colour),
        ("tone", "pointwise", 3 * 4, colour),  # interpolation in a table
        ("descale", "pointwise", 3 * 2, colour / 2),
    )
    tasks = []
    for s in range(STRIPS):
        before: dict[str, float] = {}
        for name, kind, operations, output in stages:
            first = 0.0 if before else float(raw)
            tasks.append(Task(f"{name}_{s}", kind, operations * pixels, output, before, first))
            before = {f"{name}_{s}": output}
    return TaskGraph("cava", tuple(tasks), 1e3 / FRAMES_PER_S * SLICE_LINES * BINNING / HEIGHT)


TASK_GRAPHS: dict[str, Callable[[], TaskGraph]] = {
    "audio-decoder": audio_decoder,
    "cava": cava,
    "edge-detection": edge_detection,
}
"""Workloads by name."""


def task_graph(name: str) -> TaskGraph:
    """The workload called ``name``; an unknown one raises `InputError` with the nearest."""
    if name not in TASK_GRAPHS:
        raise unknown_name("task graph", name, TASK_GRAPHS)
    return TASK_GRAPHS[name]()
