"""The game in which a network grows: layers become wider, new ones are put in, weights are kept.

Cai et al., "Efficient Architecture Search by Network Transformation", AAAI 2018 (arXiv 1707.04873).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import MultiDiscrete
from numpy.typing import NDArray

from codesign_gym.cost_models.accuracy.growth_model import (
    inherited,
    train_grown,
    trained_root,
    training_data,
)
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.tasks import TRAINING_SIZE
from codesign_gym.envs.design_env import Info, at_least_one
from codesign_gym.envs.growth_problems import stretched
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.networks.growth import KERNELS, ROOT, Plain
from codesign_gym.search_spaces.networks.tokens import SLOTS, TOKENS, VOCABULARY, tokens
from codesign_gym.search_spaces.networks.transformations import (
    Deeper,
    Step,
    Wider,
    grown,
    is_full,
    next_width,
)

DECAY = 0.95
"""How much of the baseline stays after an episode."""

Tokens = NDArray[np.int64]


class NetworkTransformationEnv(gymnasium.Env[Tokens, NDArray[np.int64]]):
    """Grow a trained network step by step; id ``codesign/NetworkTransformation-v0``.

    Observation: int64 ``[1 + t]`` (MultiDiscrete): how many steps were taken, then the layers as
        `tokens` write them, 0 after the last.
    Action: int64 ``[s + 3]`` (MultiDiscrete). The first ``s`` say for each place in which a layer
        may stand (`SLOTS`) whether it gets the next level of width; they count in the first
        ``wider`` steps, where a layer stands and is not at its last level. The last three choose a
        part, the layer of it after which a new one is put in (the last, where there are fewer), and
        its kernel (1 among the fully connected); they count in the ``deeper`` steps that follow.
    Reward: 0 until the last step, then ``tan(accuracy * pi / 2)`` minus a moving average of it over
        the episodes since the last seeded reset. An episode that ends early counts as accuracy 0.
    Termination: after all steps the network, which has inherited the weights of the one it was
        grown from, is trained for ``epochs`` and tested. Earlier, where an action leads to a
        network that cannot be trained. ``info["invalid"]`` says why, and so it does where the
        training diverges. There is no truncation.
    Info: ``network`` (its layers) and ``invalid`` (empty where nothing is wrong); at the end
        ``accuracy`` (share of the test sequences) and ``history`` (the same after each epoch).

    Everything random comes from the seed of ``reset``: equal seeds and actions give equal episodes.

    Args:
        start: The network that each episode grows, trained once; the root of ``growing-network``.
        wider: Steps in which layers become wider.
        deeper: Steps in which a layer is put in.
        epochs: That the grown network trains.
        training_size: The first so many of the 4,000 training sequences of MNIST-1D are used.
        learning_rate: Of the grown network.
        render_mode: Not supported; None.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc]  # of the instance in Gymnasium

    def __init__(
        self,
        start: Plain = ROOT,
        wider: int = 4,
        deeper: int = 5,
        epochs: int = 3,
        training_size: int = TRAINING_SIZE,
        learning_rate: float = Recipe.learning_rate,
        render_mode: str | None = None,
    ) -> None:
        for name, value in (("wider", wider), ("deeper", deeper)):
            if value < 0:
                raise InputError(f"{name} must be at least 0 steps, got {value}")
        self.steps = at_least_one("wider + deeper", wider + deeper)
        if start.fault:
            raise InputError(f"start: {start.fault}")
        self.start, self.wider, self.deeper = start, wider, deeper
        self.recipe = Recipe(at_least_one("epochs", epochs), learning_rate=learning_rate)
        self.training_size = at_least_one("training_size", training_size)
        self.render_mode = render_mode
        tokens(start)  # a start that cannot be written down is told of here
        self.observation_space = MultiDiscrete([self.steps + 1, *[VOCABULARY] * TOKENS])
        parts = len(start.parts)
        longest = max(layer for _, layer in SLOTS) + 1
        self.action_space = MultiDiscrete([*[2] * len(SLOTS), parts, longest, len(KERNELS)])
        self._average, self._weight = 0.0, 0.0
        self._seed, self._step = 0, 0
        self.network = start

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tokens, Info]:
        """Begin an episode with the start network; a seed also forgets the baseline."""
        super().reset(seed=seed)
        if seed is not None:
            self._average, self._weight = 0.0, 0.0
        self._seed = int(self.np_random.integers(2**31))
        self._step = 0
        self.network = self.start
        return self._observation(), self._info("")

    def step(self, action: NDArray[np.int64]) -> tuple[Tokens, float, bool, bool, Info]:
        """Grow the network; an action outside the space raises `InputError`."""
        chosen = np.asarray(action)
        if not self.action_space.contains(chosen.astype(np.int64)):
            raise InputError(f"action must be in {self.action_space}, got {action!r}")
        if self._step >= self.steps:
            raise InputError("the episode has ended: call reset()")
        choices = chosen.tolist()
        if self._step < self.wider:
            self.network, fault = grown(self.network, *self._widened(choices)), ""
        else:
            self.network, fault = self._deepened(choices)
        self._step += 1
        fault = fault or self.network.fault
        info = self._info(fault)
        if not fault and self._step < self.steps:
            return self._observation(), 0.0, False, False, info
        if not fault:
            info |= self._trained()
        self._step = self.steps
        return self._observation(), self._reward(info.get("accuracy", 0.0)), True, False, info

    def _widened(self, choices: Sequence[int]) -> list[Step]:
        found: list[Step] = []
        for (part, layer), yes in zip(SLOTS, choices, strict=False):
            if yes and part < len(self.network.parts) and layer < len(self.network.parts[part]):
                width = next_width(self.network, part, layer)
                found += [] if width is None else [Wider(part, layer, width)]
        return found

    def _deepened(self, choices: Sequence[int]) -> tuple[Plain, str]:
        part, layer, kernel = choices[-3:]
        layers = self.network.parts[part]
        if is_full(self.network, part):
            return self.network, f"part {part + 1} has {len(layers)} layers, the most there may be"
        dense = part == len(self.network.blocks)
        where = min(layer, len(layers) - 1)
        return grown(self.network, Deeper(part, where, 1 if dense else KERNELS[kernel])), ""

    def _trained(self) -> Info:
        """Inherit, train and test: the part of the info that comes of it."""
        parent = trained_root(0, self.training_size, self.start)
        module = inherited(self.network, self._seed, self.training_size, parent)
        course = train_grown(module, training_data(self.training_size), self.recipe, self._seed)
        if course.fault:
            return {"invalid": course.fault}
        return {"accuracy": course.accuracy[-1], "history": tuple(course.accuracy)}

    def _reward(self, accuracy: float) -> float:
        """The advantage of an accuracy over the episodes before; it joins their average."""
        value = float(stretched(accuracy))
        baseline = self._average / self._weight if self._weight else 0.0
        self._average = DECAY * self._average + (1 - DECAY) * value
        self._weight = DECAY * self._weight + 1 - DECAY
        return value - baseline

    def _observation(self) -> Tokens:
        return np.concatenate([[self._step], tokens(self.network)]).astype(np.int64)

    def _info(self, fault: str) -> Info:
        return {"network": self.network.parts, "invalid": fault}
