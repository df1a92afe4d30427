"""Compiled training of the classifiers of ``nas-bench-201-1d``: one copy, one epoch per call.

What it computes is `nas_bench_201_torch.SequenceNetwork` under AdamW, up to rounding: networks of
eight channels are too small for a library that is called once per layer. Letters as in
`cell_kernels`; ``t`` trained numbers in the order of the torch module.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.accuracy import cell_kernels as kernels
from codesign_gym.cost_models.accuracy.cell_kernels import F32, WIDTH, compiled
from codesign_gym.search_spaces.networks.cell import CLASSES
from codesign_gym.search_spaces.networks.nas_bench_201 import ENDS, NODES, STAGES

I64 = NDArray[np.int64]

EDGES = len(ENDS)
STARTS, STOPS = (np.array(column, dtype=np.int64) for column in zip(*ENDS, strict=True))
BACKWARDS = np.argsort(-STOPS, kind="stable")
"""Edges in an order in which the gradient of a node is complete before it is passed on."""

STEM_TAPS = 3
SKIP, POOL = 1, 4
"""Operations without weights, by index; 2 and 3 are convolutions."""

BETA2, SMALL = np.float32(0.999), np.float32(1e-8)
"""Second decay and epsilon of torch's AdamW."""


class Layout(NamedTuple):
    """Where the trained numbers of a network are.

    Attributes:
        operations: Index of each edge's operation, 0 where it leads nowhere, ``[6]``.
        at: Where the weights of each convolution start, followed by the scale and offset of its
            batch norm, ``[3, 6]``.
        norm: Which batch norm it is, ``[3, 6]``; the stem's is 0.
        head: Where the numbers after the last cell start.
        norms: How many batch norms.
    """

    operations: I64
    at: I64
    norm: I64
    head: int
    norms: int


class Work(NamedTuple):
    """Activations of one batch and their gradients, written anew by every step.

    Attributes:
        nodes: Of each stage's cell, ``[3, 4, 8 * n]``.
        rectified: The same after ReLU.
        units: Normalised outputs of the convolutions, ``[3, 6, 8 * n]``.
        inverses: What they were multiplied by, ``[3, 6, 8]``.
        stem: Normalised output of the stem, ``[8 * n]``.
        stem_inverse: What it was multiplied by, ``[8]``.
        head: Normalised output of the last cell, ``[8 * n]``.
        head_inverse: What it was multiplied by, ``[8]``.
        pooled: What the classifier reads, ``[8, b]``.
        scores: What it says, ``[10, b]``.
        dnodes: Gradients of the nodes, ``[4, 8 * n]``.
        dpass: Gradients on their way, ``[3, 8 * n]``.
    """

    nodes: F32
    rectified: F32
    units: F32
    inverses: F32
    stem: F32
    stem_inverse: F32
    head: F32
    head_inverse: F32
    pooled: F32
    scores: F32
    dnodes: F32
    dpass: F32


def work(b: int, length: int) -> Work:
    """Room for a batch of ``b`` sequences of a length."""
    size = WIDTH * b * length
    shapes = (
        (STAGES, NODES, size), (STAGES, NODES, size), (STAGES, EDGES, size), (STAGES, EDGES, WIDTH),
        (size,), (WIDTH,), (size,), (WIDTH,), (WIDTH, b), (CLASSES, b), (NODES, size), (3, size),
    )  # fmt: skip
    return Work(*(np.zeros(shape, dtype=np.float32) for shape in shapes))


@compiled
def vector(theta: F32, at: int) -> F32:
    """The numbers of the channels ``[8]`` that start at a place."""
    return theta[at : at + WIDTH]


@compiled
def shaped(buffer: F32, n: int) -> F32:
    """The first ``8 * n`` numbers of a buffer as channels ``[8, n]``."""
    return buffer[: WIDTH * n].reshape(WIDTH, n)


@compiled
def _weights(theta: F32, at: int, taps: int) -> F32:
    return theta[at : at + WIDTH * WIDTH * taps].reshape(WIDTH, WIDTH, taps)


@compiled
def _taps(operation: int) -> int:
    """Kernel of a convolution, 0 of anything else."""
    return 1 if operation == 2 else 3 if operation == 3 else 0


@compiled
def body(
    layout: Layout, theta: F32, x: F32, b: int, training: bool, running: F32, work: Work
) -> None:
    """The stem and the cells on sequences ``[n]``; their nodes are left in ``work``.

    Args:
        layout: The network.
        theta: Trained numbers ``[t]``.
        x: One channel.
        b: Sequences.
        training: Whether batch norms use the statistics of the batch.
        running: Their running statistics ``[norms, 2, 8]``, changed in training.
        work: Changed.
    """
    n = len(x)
    stem = shaped(work.stem, n)
    stem[:] = 0
    for k in range(WIDTH):
        row = stem[k]
        for tap in range(STEM_TAPS):
            shift, weight = (tap - STEM_TAPS // 2) * b, theta[k * STEM_TAPS + tap]
            low, high = max(0, -shift), n - max(0, shift)
            out, shifted = row[low:high], x[low + shift : high + shift]
            for i in range(high - low):
                out[i] += weight * shifted[i]
    if training:
        kernels.normalise(stem, running[0], work.stem_inverse)
    else:
        kernels.normalise_fixed(stem, running[0])
    first = shaped(work.nodes[0, 0], n)
    first[:] = 0
    at = WIDTH * STEM_TAPS
    kernels.add_scaled(stem, vector(theta, at), vector(theta, at + WIDTH), first)
    for stage in range(STAGES):
        if stage:
            before = shaped(work.nodes[stage - 1, NODES - 1], n)
            n //= 2
            kernels.halve(before, b, shaped(work.nodes[stage, 0], n))
        _cell(layout, theta, stage, n, b, training, running, work)


@compiled
def forward(
    layout: Layout, theta: F32, x: F32, b: int, training: bool, running: F32, work: Work
) -> None:
    """Scores of sequences ``[n]``, as `body`; everything `backward` needs is left in ``work``."""
    body(layout, theta, x, b, training, running, work)
    n = len(x) >> (STAGES - 1)
    head = shaped(work.head, n)
    head[:] = shaped(work.nodes[STAGES - 1, NODES - 1], n)
    last = layout.norms - 1
    if training:
        kernels.normalise(head, running[last], work.head_inverse)
    else:
        kernels.normalise_fixed(head, running[last])
    positions = n // b
    zero, share = np.float32(0), np.float32(1) / np.float32(positions)
    for k in range(WIDTH):
        scale, offset = theta[layout.head + k], theta[layout.head + WIDTH + k]
        pooled, row = work.pooled[k], head[k]
        pooled[:] = 0
        for start in range(0, n, b):
            part = row[start : start + b]
            for i in range(b):
                value = scale * part[i] + offset
                pooled[i] += share * (zero if value < zero else value)
    at = layout.head + 2 * WIDTH
    for answer in range(CLASSES):
        out = work.scores[answer]
        out[:] = theta[at + CLASSES * WIDTH + answer]
        for k in range(WIDTH):
            weight, pooled = theta[at + answer * WIDTH + k], work.pooled[k]
            for i in range(b):
                out[i] += weight * pooled[i]


@compiled
def _cell(
    layout: Layout, theta: F32, stage: int, n: int, b: int, training: bool, running: F32, work: Work
) -> None:
    """The nodes of a stage's cell, node 0 of which is there."""
    for node in range(1, NODES):
        out = shaped(work.nodes[stage, node], n)
        out[:] = 0
        for edge in range(EDGES):
            operation, start = layout.operations[edge], STARTS[edge]
            if STOPS[edge] != node or operation == 0:
                continue
            source = shaped(work.nodes[stage, start], n)
            taps = _taps(operation)
            if operation == SKIP:
                for k in range(WIDTH):
                    o, s = out[k], source[k]
                    for i in range(n):
                        o[i] += s[i]
            elif operation == POOL:
                kernels.average(source, b, out)
            else:
                rectified = shaped(work.rectified[stage, start], n)
                unit = shaped(work.units[stage, edge], n)
                at, norm = layout.at[stage, edge], layout.norm[stage, edge]
                kernels.rectify(source, rectified)
                kernels.convolve(_weights(theta, at, taps), rectified, b, unit)
                if training:
                    kernels.normalise(unit, running[norm], work.inverses[stage, edge])
                else:
                    kernels.normalise_fixed(unit, running[norm])
                at += WIDTH * WIDTH * taps
                kernels.add_scaled(unit, vector(theta, at), vector(theta, at + WIDTH), out)


@compiled
def backward(
    layout: Layout, theta: F32, x: F32, digits: I64, rows: I64, work: Work, gradient: F32
) -> float:
    """The mean cross-entropy of a batch after `forward`, and its gradient.

    Args:
        layout: The network.
        theta: Trained numbers ``[t]``.
        x: What `forward` was given.
        digits: The true digit of every sequence there is.
        rows: Which of them the batch is, ``[b]``.
        work: What `forward` left; overwritten.
        gradient: Becomes the gradient ``[t]``.
    """
    b = len(rows)
    gradient[:] = 0
    loss = 0.0
    for i in range(b):  # scores become their gradients
        top = work.scores[0, i]
        for answer in range(1, CLASSES):
            top = max(top, work.scores[answer, i])
        total = np.float32(0)
        true = work.scores[digits[rows[i]], i] - top
        for answer in range(CLASSES):
            work.scores[answer, i] = np.exp(work.scores[answer, i] - top)
            total += work.scores[answer, i]
        loss += np.log(total) - true
        for answer in range(CLASSES):
            said = work.scores[answer, i] / total
            work.scores[answer, i] = (said - (answer == digits[rows[i]])) / np.float32(b)
    n = len(x) >> (STAGES - 1)
    dunit = shaped(work.dpass[0], n)
    _head_back(layout, theta, b, work, gradient, dunit)
    out = shaped(work.dnodes[NODES - 1], n)
    kernels.normalise_back(
        dunit, shaped(work.head, n), vector(theta, layout.head), work.head_inverse,
        vector(gradient, layout.head), vector(gradient, layout.head + WIDTH), out,
    )  # fmt: skip
    for stage in range(STAGES - 1, -1, -1):
        cell_back(layout, theta, stage, n, b, work, gradient)
        if stage:
            kernels.halve_back(shaped(work.dnodes[0], n), b, shaped(work.dnodes[NODES - 1], 2 * n))
            n *= 2
    stem_back(theta, x, b, work, gradient)
    return loss / b


@compiled
def stem_back(theta: F32, x: F32, b: int, work: Work, gradient: F32) -> None:
    """From the gradient of the first cell's node 0 to that of the stem's weights."""
    n = len(x)
    at = WIDTH * STEM_TAPS
    dstem = shaped(work.dpass[0], n)
    kernels.normalise_back(
        shaped(work.dnodes[0], n), shaped(work.stem, n), vector(theta, at), work.stem_inverse,
        vector(gradient, at), vector(gradient, at + WIDTH), dstem,
    )  # fmt: skip
    for k in range(WIDTH):
        row = dstem[k]
        for tap in range(STEM_TAPS):
            shift = (tap - STEM_TAPS // 2) * b
            low, high = max(0, -shift), n - max(0, shift)
            d, shifted = row[low:high], x[low + shift : high + shift]
            total = np.float32(0)
            for i in range(high - low):
                total += d[i] * shifted[i]
            gradient[k * STEM_TAPS + tap] += total


@compiled
def _head_back(layout: Layout, theta: F32, b: int, work: Work, gradient: F32, dscaled: F32) -> None:
    """From the gradients of the scores to that of the last batch norm's output."""
    at = layout.head + 2 * WIDTH
    n = dscaled.shape[1]
    dpooled = np.zeros((WIDTH, b), dtype=np.float32)
    for answer in range(CLASSES):
        d = work.scores[answer]
        for k in range(WIDTH):
            weight, pooled, dp = theta[at + answer * WIDTH + k], work.pooled[k], dpooled[k]
            total = np.float32(0)
            for i in range(b):
                total += d[i] * pooled[i]
                dp[i] += weight * d[i]
            gradient[at + answer * WIDTH + k] += total
        gradient[at + CLASSES * WIDTH + answer] += d.sum()
    head = shaped(work.head, n)
    zero, share = np.float32(0), np.float32(b) / np.float32(n)
    for k in range(WIDTH):
        scale, offset = theta[layout.head + k], theta[layout.head + WIDTH + k]
        for start in range(0, n, b):
            part, d, dp = head[k, start : start + b], dscaled[k, start : start + b], dpooled[k]
            for i in range(b):
                d[i] = share * dp[i] if scale * part[i] + offset > zero else zero


@compiled
def cell_back(
    layout: Layout, theta: F32, stage: int, n: int, b: int, work: Work, gradient: F32
) -> None:
    """From the gradient of a cell's node 3 to those of the others and of the weights."""
    for node in range(NODES - 1):
        shaped(work.dnodes[node], n)[:] = 0
    dy, drectified = shaped(work.dpass[1], n), shaped(work.dpass[2], n)
    for edge in BACKWARDS:
        operation = layout.operations[edge]
        dout = shaped(work.dnodes[STOPS[edge]], n)
        dsource = shaped(work.dnodes[STARTS[edge]], n)
        taps = _taps(operation)
        if operation == SKIP:
            for k in range(WIDTH):
                o, d = dsource[k], dout[k]
                for i in range(n):
                    o[i] += d[i]
        elif operation == POOL:
            kernels.average_back(dout, b, dsource)
        elif operation:
            at = layout.at[stage, edge]
            scale = at + WIDTH * WIDTH * taps
            kernels.normalise_back(
                dout, shaped(work.units[stage, edge], n), vector(theta, scale),
                work.inverses[stage, edge], vector(gradient, scale),
                vector(gradient, scale + WIDTH), dy,
            )  # fmt: skip
            drectified[:] = 0
            kernels.convolve_back(
                _weights(theta, at, taps), shaped(work.rectified[stage, STARTS[edge]], n), dy, b,
                drectified, _weights(gradient, at, taps),
            )  # fmt: skip
            kernels.rectify_back(shaped(work.nodes[stage, STARTS[edge]], n), drectified, dsource)


@compiled
def gather(x: F32, rows: I64, batch: F32) -> None:
    """The sequences of a batch, ``batch[l, i] = x[l, rows[i]]``."""
    for position in range(x.shape[0]):
        for i in range(len(rows)):
            batch[position, i] = x[position, rows[i]]


@compiled
def descend(gradient: F32, rates: F32, decay: float, count: int, theta: F32, moments: F32) -> None:
    """A step of AdamW.

    Args:
        gradient: Of the loss ``[t]``.
        rates: Learning rate and first decay.
        decay: Weight decay.
        count: Which step it is, from 1.
        theta: Trained numbers ``[t]``, changed.
        moments: Running means of the gradient and of its square, ``[2, t]``, changed.
    """
    rate, beta1 = rates[0], rates[1]
    correction = np.float32(1 - np.float64(beta1) ** count)
    root = np.float32(np.sqrt(1 - np.float64(BETA2) ** count))
    keep = np.float32(1 - rate * decay)
    mean, square = moments[0], moments[1]
    for i in range(len(theta)):
        g = gradient[i]
        mean[i] += (np.float32(1) - beta1) * (g - mean[i])
        square[i] = BETA2 * square[i] + (np.float32(1) - BETA2) * g * g
        change = mean[i] / correction / (np.sqrt(square[i]) / root + SMALL)
        theta[i] = theta[i] * keep - rate * change


@compiled
def epoch(
    layout: Layout, x: F32, digits: I64, order: I64, b: int, rates: F32, decay: float, done: int,
    theta: F32, moments: F32, running: F32, work: Work,
) -> float:  # fmt: skip
    """Train on all sequences in an order, a batch at a time; the mean loss.

    Args:
        layout: The network.
        x: Sequences, positions first ``[40, 4000]``.
        digits: What they are ``[4000]``.
        order: Rows in the order in which they are shown.
        b: Sequences of a batch; a rest is left out.
        rates: Learning rate and first decay of AdamW at every step of this epoch, ``[steps, 2]``.
        decay: Weight decay.
        done: Steps before this epoch.
        theta: Trained numbers ``[t]``, changed.
        moments: Running means of the gradient and of its square, ``[2, t]``, changed.
        running: Running statistics of the batch norms, changed.
        work: Changed.
    """
    gradient = np.empty_like(theta)
    batch = np.empty((x.shape[0], b), dtype=np.float32)
    total = 0.0
    for step in range(len(rates)):
        rows = order[step * b : (step + 1) * b]
        gather(x, rows, batch)
        flat = batch.reshape(batch.size)
        forward(layout, theta, flat, b, True, running, work)
        total += backward(layout, theta, flat, digits, rows, work, gradient)
        descend(gradient, rates[step], decay, done + step + 1, theta, moments)
    return total / len(rates)
