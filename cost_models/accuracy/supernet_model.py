"""Inherited weights as a cost model: one supernet is trained, every design is a path in it.

Paths are sampled uniformly (Guo et al., ECCV 2020, arXiv 1904.00420), as many in each step as there
are candidates at a place, so that every candidate is trained equally often (Chu et al., "FairNAS",
ICCV 2021, arXiv 1907.01845).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from codesign_gym.cost_models.accuracy.memory_faults import OUT_OF_MEMORY, ran_out_of_memory
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.supernet import check_shared, check_size
from codesign_gym.cost_models.accuracy.tasks import TRAINING_SIZE, get_task
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.threads import one_thread
from codesign_gym.search_spaces import Designs, InputError, make_space

if TYPE_CHECKING:
    from codesign_gym.cost_models.accuracy.supernet_torch import Supernet


class SupernetModel(CostModel):
    """Accuracy of networks with the weights that they inherit from a supernet.

    It says which networks are better, not how good they are when they are trained alone. The
    supernet is trained once, at the first design, by paths that are drawn uniformly.

    Args:
        space: Name of a space with a supernet.
        task: What it is trained on.
        epochs: Passes over the sequences.
        seed: Of the weights, the paths and the order of the data.
        size: Training sequences, the first so many.
        learning_rate: Peak of the one-cycle schedule.
    """

    source = "weights shared by uniform, fair sampling of paths (arXiv 1904.00420, 1907.01845)"
    expensive = True

    def __init__(
        self,
        space: str = "nas-bench-201-1d",
        task: str = "mnist1d",
        epochs: int = 10,
        seed: int = 0,
        size: int = TRAINING_SIZE,
        learning_rate: float = Recipe.learning_rate,
    ) -> None:
        check_shared(space, task)
        check_size(size)
        if not 1 <= epochs <= 10_000:
            raise InputError(f"epochs must be in 1..10000, got {epochs}")
        if not 0 <= seed < 2**32:
            raise InputError(f"seed must be in 0..{2**32 - 1}, got {seed}")
        if not learning_rate > 0:
            raise InputError(f"learning_rate must be above 0, got {learning_rate}")
        about = get_task(task)
        self.name = f"supernet-{space}-{task}"
        self.space, self.space_name = make_space(space), space
        self.metrics = (Metric(about.score, "%", "max", f"{about.about}, inherited weights"),)
        self._task, self._epochs, self._seed = about, epochs, seed
        self._size, self._rate = size, learning_rate

    def compute(self, designs: Designs) -> Metrics:
        """Accuracies of networks ``[n, p]``; all are invalid where the training failed."""
        from codesign_gym.cost_models.accuracy.supernet_training import inherited_credit

        net, fault = self._trained
        if fault:
            values = np.full((len(designs), 1), self.metrics[0].worst)
            return Metrics(self.metrics, values, {fault: np.ones(len(designs), dtype=np.bool_)})
        with one_thread():
            shares = inherited_credit(net, self._task, designs)
        return Metrics(self.metrics, 100 * shares[:, None])

    @cached_property
    def _trained(self) -> tuple[Supernet, str]:
        """The supernet, and why its training ended early."""
        from codesign_gym.cost_models.accuracy.supernet_rules import SinglePath
        from codesign_gym.cost_models.accuracy.supernet_training import (
            Diverged,
            Lessons,
            fair_paths,
        )
        from codesign_gym.cost_models.accuracy.supernets import supernet

        net = supernet(self.space_name, [self._task.metric], seed=self._seed, scaled=True)
        recipe = Recipe(self._epochs, learning_rate=self._rate)
        rng = np.random.default_rng(self._seed)
        lessons = Lessons(net, [self._task.first(self._size)], recipe, rng, held_out=0.0)
        try:
            with one_thread():
                for _ in range(self._epochs):
                    for batch, _ in lessons.batches():
                        lessons.step(batch, *map(SinglePath, fair_paths(net.choices, rng)))
        except Diverged as error:
            return net, str(error)
        except (MemoryError, RuntimeError) as error:
            if ran_out_of_memory(error):
                return net, OUT_OF_MEMORY
            raise
        return net, ""
