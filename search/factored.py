"""Distributions over the designs of a space that are independent per parameter, one per task.

They are given by logits ``[t, K]``. Letters: ``n`` designs, ``t`` tasks, ``p`` parameters, ``K``
choices of all parameters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces import Designs, SearchSpace

FloatArray = NDArray[np.float64]


def owners(space: SearchSpace) -> NDArray[np.int64]:
    """The parameter that each choice is of, ``[K]``."""
    return np.repeat(np.arange(len(space)), space.nvec)


def probabilities(space: SearchSpace, logits: FloatArray) -> FloatArray:
    """Chance of each choice for each task, ``[t, K]``."""
    offsets, owner = space.offsets[:-1], owners(space)
    top = np.maximum.reduceat(logits, offsets, axis=1)[:, owner]
    raised = np.exp(logits - top)
    chances: FloatArray = raised / np.add.reduceat(raised, offsets, axis=1)[:, owner]
    return chances


def log_chances(space: SearchSpace, logits: FloatArray, designs: Designs) -> FloatArray:
    """Log of the chance with which each task draws canonical designs, ``[n, t]``."""
    logs = np.log(np.maximum(probabilities(space, logits), 1e-300))
    found: FloatArray = chosen(space, designs) @ logs.T
    return found


def importance(space: SearchSpace, logits: FloatArray, designs: Designs, clip: float) -> FloatArray:
    """How much likelier each task draws designs than all do on average, ``[n, t]``.

    Args:
        space: The space.
        logits: Of the tasks.
        designs: Canonical designs ``[n, p]``.
        clip: Larger ratios become this.
    """
    logs = log_chances(space, logits, designs)
    ratios = np.exp(logs - logs.max(axis=1, keepdims=True))
    clipped: FloatArray = np.minimum(ratios / ratios.mean(axis=1, keepdims=True), clip)
    return clipped


def draw(space: SearchSpace, logits: FloatArray, n: int, rng: np.random.Generator) -> Designs:
    """``n`` designs from the mean of the tasks' distributions."""
    tasks = rng.integers(0, len(logits), size=n)
    # The largest of log p + Gumbel noise is a draw with probabilities p.
    noise = rng.gumbel(size=(n, logits.shape[1]))
    return space.from_one_hot(logits[tasks] + noise)


def chosen(space: SearchSpace, designs: Designs) -> FloatArray:
    """1 at the choices of active parameters, ``[n, K]``."""
    active = space.active(designs)[:, owners(space)]
    return space.one_hot(designs).astype(np.float64) * active


def policy_gradient(
    space: SearchSpace, logits: FloatArray, designs: Designs, pulls: FloatArray
) -> FloatArray:
    """Gradient of the sum of pulls ``[n, t]`` times `log_chances` to the logits, ``[t, K]``."""
    # The gradient of log p is 1 at the choice taken less p, where the parameter counts.
    active = space.active(designs)[:, owners(space)].astype(np.float64)
    gradient: FloatArray = pulls.T @ chosen(space, designs)
    gradient -= (pulls.T @ active) * probabilities(space, logits)
    return gradient


def entropy_slopes(space: SearchSpace, logits: FloatArray) -> FloatArray:
    """Gradient of the sum of the parameters' entropies to the logits, ``[t, K]``."""
    p = probabilities(space, logits)
    logs = np.log(np.maximum(p, 1e-300))
    entropy = -np.add.reduceat(p * logs, space.offsets[:-1], axis=1)[:, owners(space)]
    slopes: FloatArray = -p * (logs + entropy)
    return slopes
