"""Variation of designs, vectorised: what evolutionary agents share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces import Designs, SearchSpace


def mutate(
    space: SearchSpace, designs: Designs, rng: np.random.Generator, rate: float = 0.0
) -> Designs:
    """Designs that differ from the given ones in at least one active parameter, ``[n, p]``.

    A moved category takes any other value with equal chances. A moved ordinal takes, with equal
    chances, a neighbouring value or any other one.

    Args:
        space: The space.
        designs: Canonical designs.
        rng: Source of randomness.
        rate: Chance of each active parameter to move, beside the one that always does.
    """
    n, p = designs.shape
    movable = space.active(designs) & (space.nvec > 1)
    priority = rng.random((n, p))
    moved = movable & (priority < rate)
    chosen = np.where(movable, priority, np.inf).argmin(axis=1)
    moved[np.arange(n), chosen] = movable[np.arange(n), chosen]

    other = rng.integers(1, np.maximum(space.nvec, 2), size=(n, p))
    anywhere = (designs + other) % space.nvec
    step = np.where(rng.random((n, p)) < 0.5, 1, -1)
    beside = np.where((designs + step < 0) | (designs + step >= space.nvec), -step, step) + designs
    ordered = np.array([parameter.ordered for parameter in space.parameters])
    near = ordered & (rng.random((n, p)) < 0.5)
    changed = np.where(moved, np.where(near, beside, anywhere), designs)
    return space.canonical(changed.astype(np.int32))


def crossover(
    space: SearchSpace, mothers: Designs, fathers: Designs, rng: np.random.Generator
) -> Designs:
    """Uniform crossover: each parameter from either parent with equal chances, ``[n, p]``."""
    return space.canonical(np.where(rng.random(mothers.shape) < 0.5, mothers, fathers))


def unseen(
    space: SearchSpace,
    designs: Designs,
    seen: set[bytes],
    rng: np.random.Generator,
    rounds: int = 10,
) -> Designs:
    """The designs with those already seen, or repeated, mutated until new where that succeeds.

    Args:
        space: The space.
        designs: Proposals ``[n, p]``.
        seen: Keys (``row.tobytes()``) of designs not to propose again; not changed.
        rng: Source of randomness.
        rounds: Mutations tried before a repetition is accepted.
    """
    designs = designs.copy()
    taken: set[bytes] = set()
    pending = np.arange(len(designs))
    for _ in range(rounds):
        repeated = []
        for i, key in zip(pending.tolist(), keys(designs[pending]), strict=True):
            if key in seen or key in taken:
                repeated.append(i)
            else:
                taken.add(key)
        if not repeated:
            break
        pending = np.array(repeated)
        designs[pending] = mutate(space, designs[pending], rng, rate=1 / len(space))
    return designs


def keys(designs: Designs) -> list[bytes]:
    """A hashable key per design."""
    return [row.tobytes() for row in designs]


def tournament(
    fitness: NDArray[np.float64], n: int, size: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Winners of ``n`` tournaments among ``size`` random entrants: highest fitness, ``[n]``."""
    entrants = rng.integers(0, len(fitness), size=(n, size))
    winners = fitness[entrants].argmax(axis=1)
    return np.asarray(entrants[np.arange(n), winners])
