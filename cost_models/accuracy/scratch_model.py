"""Training from scratch as a cost model: every network that is evaluated is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from codesign_gym.cost_models.accuracy.devices import check_device
from codesign_gym.cost_models.accuracy.memory_faults import OUT_OF_MEMORY, ran_out_of_memory
from codesign_gym.cost_models.accuracy.recipe import RECIPES, Recipe
from codesign_gym.cost_models.accuracy.supernet import check_size
from codesign_gym.cost_models.accuracy.tasks import TRAINING_SIZE, get_task
from codesign_gym.cost_models.accuracy.train_table import check_trainable, train_network
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.search_spaces import CellSpace, Designs, InputError, make_space


class ScratchModel(CostModel):
    """Accuracy of a network that is trained when it is evaluated, as for the embedded tables.

    Isomorphic cells are one network. Networks whose weights end as no numbers are invalid, and so
    are those for whose training there is no memory. Cells of ``nas-bench-201-1d`` that say a digit
    are trained by compiled code, all else by torch.

    Args:
        space: Name of a space of trainable networks.
        task: What they are trained on.
        seeds: Of first weights and order of the data; the mean accuracy counts.
        epochs: Passes over the sequences; 0 for as many as the embedded tables have.
        size: Training sequences, the first so many.
        learning_rate: Peak of the one-cycle schedule.
        device: Where torch trains: ``cpu``, ``cuda``, ``cuda:1``, ...
    """

    source = "trained when evaluated: AdamW, one-cycle learning rate, the recipe of train-table"
    expensive = True

    def __init__(
        self,
        space: str = "nas-bench-201-1d",
        task: str = "mnist1d",
        seeds: Sequence[int] = (0, 1),
        epochs: int = 0,
        size: int = TRAINING_SIZE,
        learning_rate: float = Recipe.learning_rate,
        device: str = "cpu",
    ) -> None:
        check_trainable(space, task)
        check_size(size)
        if epochs < 0:
            raise InputError(f"epochs must be at least 0, got {epochs}")
        if not seeds or not all(0 <= seed < 2**32 for seed in seeds):
            raise InputError(f"seeds must be integers in 0..{2**32 - 1}, got {list(seeds)}")
        if not learning_rate > 0:
            raise InputError(f"learning_rate must be above 0, got {learning_rate}")
        check_device(device)
        about = get_task(task)
        recipe = RECIPES[space]
        self.recipe = Recipe(
            epochs or recipe.epochs,
            min(recipe.batch, size),
            learning_rate,
            recipe.weight_decay,
        )
        self.name = f"scratch-{space}-{task}"
        self.space, self.space_name = make_space(space), space
        self.fidelity = self.recipe.epochs
        self.metrics = (Metric(about.score, "%", "max", f"{about.about}, mean of the seeds"),)
        self.seeds, self._task, self._size = tuple(seeds), about, size
        self._device = device
        self._known: dict[bytes, tuple[float, str]] = {}

    def compute(self, designs: Designs) -> Metrics:
        """Accuracies of networks ``[n, p]``, each trained once."""
        if isinstance(self.space, CellSpace):
            designs = self.space.representatives(designs)
        values = np.empty((len(designs), 1))
        faults: list[str] = []
        for i, (row, network) in enumerate(zip(designs, self.space.decode(designs), strict=True)):
            key = row.tobytes()
            if key not in self._known:
                self._known[key] = self._train(network)
            values[i], fault = self._known[key]
            faults.append(fault)
        invalid = {f: np.array([f == own for own in faults]) for f in dict.fromkeys(faults) if f}
        return Metrics(self.metrics, values, invalid)

    def _train(self, network: dict[str, Any]) -> tuple[float, str]:
        """Mean accuracy in percent, and why there is none."""
        task = self._task.first(self._size)
        try:
            trained = train_network(
                self.space_name, network, task, self.seeds, self.recipe, self._device
            )
        except (MemoryError, RuntimeError) as error:
            if ran_out_of_memory(error):
                return self.metrics[0].worst, OUT_OF_MEMORY
            raise
        if not trained.finite:
            return self.metrics[0].worst, "training diverged: weights are no numbers"
        return float(100 * trained.correct[:, -1].mean() / len(task.data().x_test)), ""
