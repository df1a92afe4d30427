"""Compiled training of the dense networks of ``nas-bench-201-1d``: a score for every position.

As `cell_steps`, with a head on every stage in place of the classifier: batch norm, ReLU and one
score per position, those of later stages repeated, and their sum is the answer. Letters as there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from codesign_gym.cost_models.accuracy import cell_kernels as kernels
from codesign_gym.cost_models.accuracy import cell_steps
from codesign_gym.cost_models.accuracy.cell_kernels import F32, WIDTH, compiled
from codesign_gym.cost_models.accuracy.cell_steps import I64, Layout, Work, shaped, vector
from codesign_gym.search_spaces.networks.nas_bench_201 import NODES, STAGES

HEAD = 3 * WIDTH + 1
"""Trained numbers of a head: scale and offset of its batch norm, weights, bias."""


class DenseWork(NamedTuple):
    """What `cell_steps.Work` is, and what the heads need besides.

    Attributes:
        body: Of the stem and the cells.
        units: Normalised outputs of the cells, ``[3, 8 * n]``.
        inverses: What they were multiplied by, ``[3, 8]``.
        level: What one head says, ``[n]``.
        scores: Their sum ``[n]``, positions first.
    """

    body: Work
    units: F32
    inverses: F32
    level: F32
    scores: F32


def work(b: int, length: int) -> DenseWork:
    """Room for a batch of ``b`` sequences of a length."""
    n = b * length
    shapes = (STAGES, WIDTH * n), (STAGES, WIDTH), (n,), (n,)
    room = (np.zeros(shape, dtype=np.float32) for shape in shapes)
    return DenseWork(cell_steps.work(b, length), *room)


@compiled
def forward(
    layout: Layout, theta: F32, x: F32, b: int, training: bool, running: F32, work: DenseWork
) -> None:
    """Scores of the positions of sequences ``[n]``; arguments as of `cell_steps.body`."""
    cell_steps.body(layout, theta, x, b, training, running, work.body)
    scores, zero = work.scores, np.float32(0)
    scores[:] = 0
    n = len(x)
    for stage in range(STAGES):
        unit = shaped(work.units[stage], n)
        unit[:] = shaped(work.body.nodes[stage, NODES - 1], n)
        norm = layout.norms - STAGES + stage
        if training:
            kernels.normalise(unit, running[norm], work.inverses[stage])
        else:
            kernels.normalise_fixed(unit, running[norm])
        at, level = layout.head + stage * HEAD, work.level[:n]
        level[:] = theta[at + 3 * WIDTH]
        for k in range(WIDTH):
            scale, offset, weight = theta[at + k], theta[at + WIDTH + k], theta[at + 2 * WIDTH + k]
            row = unit[k]
            for i in range(n):
                value = scale * row[i] + offset
                level[i] += weight * (zero if value < zero else value)
        for position in range(len(x) // b):
            start = (position >> stage) * b
            part, out = level[start : start + b], scores[position * b : (position + 1) * b]
            for i in range(b):
                out[i] += part[i]
        n //= 2


@compiled
def backward(
    layout: Layout, theta: F32, x: F32, y: F32, b: int, logits: bool, work: DenseWork, gradient: F32
) -> float:
    """The mean loss of a batch after `forward`, and its gradient.

    Args:
        layout: The network.
        theta: Trained numbers ``[t]``.
        x: What `forward` was given.
        y: What it should have said ``[n]``.
        b: Sequences.
        logits: Whether scores are log odds, marked by cross-entropy; else by their squared error.
        work: What `forward` left; overwritten.
        gradient: Becomes the gradient ``[t]``.
    """
    gradient[:] = 0
    scores, total, loss = work.scores, np.float32(len(x)), 0.0
    one, two = np.float32(1), np.float32(2)
    for i in range(len(x)):  # scores become their gradients
        said, true = scores[i], y[i]
        if logits:
            small = np.exp(-abs(said))
            loss += max(said, np.float32(0)) - said * true + np.log(one + small)
            odds = one / (one + small)
            scores[i] = ((odds if said >= 0 else one - odds) - true) / total
        else:
            loss += (said - true) * (said - true)
            scores[i] = two * (said - true) / total
    body, last = work.body, NODES - 1
    n = len(x) >> (STAGES - 1)
    shaped(body.dnodes[last], n)[:] = 0
    for stage in range(STAGES - 1, -1, -1):
        _head_back(layout, theta, stage, b, n, work, gradient)
        cell_steps.cell_back(layout, theta, stage, n, b, body, gradient)
        if stage:
            kernels.halve_back(shaped(body.dnodes[0], n), b, shaped(body.dnodes[last], 2 * n))
            n *= 2
    cell_steps.stem_back(theta, x, b, body, gradient)
    return loss / len(x)


@compiled
def _head_back(
    layout: Layout, theta: F32, stage: int, b: int, n: int, work: DenseWork, gradient: F32
) -> None:
    """From the gradients of the scores to a stage's output, to whose gradient it is added."""
    zero, level = np.float32(0), work.level[:n]
    level[:] = 0
    for position in range(len(work.scores) // b):
        start = (position >> stage) * b
        part, out = work.scores[position * b : (position + 1) * b], level[start : start + b]
        for i in range(b):
            out[i] += part[i]
    at, unit = layout.head + stage * HEAD, shaped(work.units[stage], n)
    dscaled, dout = shaped(work.body.dpass[0], n), shaped(work.body.dpass[1], n)
    gradient[at + 3 * WIDTH] += level.sum()
    for k in range(WIDTH):
        scale, offset, weight = theta[at + k], theta[at + WIDTH + k], theta[at + 2 * WIDTH + k]
        row, d, total = unit[k], dscaled[k], np.float32(0)
        for i in range(n):
            value = scale * row[i] + offset
            total += level[i] * (value if value > zero else zero)
            d[i] = weight * level[i] if value > zero else zero
        gradient[at + 2 * WIDTH + k] += total
    kernels.normalise_back(
        dscaled, unit, vector(theta, at), work.inverses[stage],
        vector(gradient, at), vector(gradient, at + WIDTH), dout,
    )  # fmt: skip
    to = shaped(work.body.dnodes[NODES - 1], n)
    for k in range(WIDTH):
        o, d = to[k], dout[k]
        for i in range(n):
            o[i] += d[i]


@compiled
def epoch(
    layout: Layout, x: F32, y: F32, logits: bool, order: I64, b: int, rates: F32, decay: float,
    done: int, theta: F32, moments: F32, running: F32, work: DenseWork,
) -> float:  # fmt: skip
    """Train on all sequences in an order, a batch at a time; the mean loss.

    Arguments as of `cell_steps.epoch`; ``y`` is what is to be said, positions first, and ``logits``
    how it is marked, see `backward`.
    """
    gradient = np.empty_like(theta)
    batch = np.empty((x.shape[0], b), dtype=np.float32)
    truth = np.empty((x.shape[0], b), dtype=np.float32)
    total = 0.0
    for step in range(len(rates)):
        rows = order[step * b : (step + 1) * b]
        cell_steps.gather(x, rows, batch)
        cell_steps.gather(y, rows, truth)
        flat, wanted = batch.reshape(batch.size), truth.reshape(truth.size)
        forward(layout, theta, flat, b, True, running, work)
        total += backward(layout, theta, flat, wanted, b, logits, work, gradient)
        cell_steps.descend(gradient, rates[step], decay, done + step + 1, theta, moments)
    return total / len(rates)
