"""Problems of networks that are trained when they are evaluated, or together as one supernet."""

from __future__ import annotations

from collections.abc import Callable

from codesign_gym.cost_models.accuracy.scratch_model import ScratchModel
from codesign_gym.cost_models.accuracy.supernet import SupernetTask
from codesign_gym.cost_models.accuracy.tasks import TRAINING_SIZE
from codesign_gym.cost_models.analytical.array_model import ArrayModel
from codesign_gym.cost_models.learned.operation_lut import lut_of_model
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import WeightedProduct

SPACE = "nas-bench-201-1d"


def nas_mnist1d(
    epochs: int = 10,
    seeds: int = 2,
    supernet_epochs: int = 10,
    training_size: int = TRAINING_SIZE,
    device: str = "cpu",
) -> DesignProblem:
    """The most accurate cell on MNIST-1D, each one trained when it is evaluated.

    Args:
        epochs: Epochs that each network trains.
        seeds: Trainings of each, whose mean accuracy counts.
        supernet_epochs: Epochs that a supernet trains unless an agent is told otherwise.
        training_size: The first so many of the 4,000 training sequences are used.
        device: Where networks are trained when they are evaluated; supernets learn on the CPU.
    """
    chip = ArrayModel(SPACE)
    training = ScratchModel(
        SPACE, seeds=range(seeds), epochs=epochs, size=training_size, device=device
    )
    return DesignProblem(
        name="nas-mnist1d",
        space=chip.space,
        models=(chip, training),
        objective_names=("accuracy_pct",),
        specs=(),
        reward=WeightedProduct({"accuracy_pct": 1.0}, {"accuracy_pct": 100.0}),
        description=f"cells on MNIST-1D, trained for {epochs} epochs: accuracy",
        source="NAS-Bench-201 (arXiv 2001.00326) in one dimension; SCALE-Sim's array",
        supernet=SupernetTask(
            SPACE,
            size=training_size,
            epochs=supernet_epochs,
            costs={metric.name: lut_of_model(chip, metric.name) for metric in chip.metrics},
        ),
    )


TASKS = ("mnist1d", "mnist1d-denoise", "mnist1d-stroke")
"""What the cells of ``nas-mnist1d-tasks`` are trained on."""


def nas_mnist1d_tasks(
    epochs: int = 10,
    seeds: int = 2,
    supernet_epochs: int = 20,
    training_size: int = TRAINING_SIZE,
    device: str = "cpu",
) -> DesignProblem:
    """The best cell for each of three tasks, trained on each of them when it is evaluated.

    Args:
        epochs: Epochs that each network trains.
        seeds: Trainings of each for each task, whose mean counts.
        supernet_epochs: Epochs that a supernet trains unless an agent is told otherwise.
        training_size: The first so many of the 4,000 training sequences are used.
        device: Where networks are trained when they are evaluated; supernets learn on the CPU.
    """
    models = tuple(
        ScratchModel(
            SPACE, task, seeds=range(seeds), epochs=epochs, size=training_size, device=device
        )
        for task in TASKS
    )
    names = tuple(model.metrics[0].name for model in models)
    return DesignProblem(
        name="nas-mnist1d-tasks",
        space=models[0].space,
        models=models,
        objective_names=names,
        specs=(),
        reward=WeightedProduct(dict.fromkeys(names, 1 / len(names)), dict.fromkeys(names, 100.0)),
        description=f"cells on MNIST-1D, trained for {epochs} epochs on each of {len(TASKS)} tasks",
        source="NAS-Bench-201 (arXiv 2001.00326) in one dimension",
        supernet=SupernetTask(
            SPACE, TASKS[0], TASKS[1:], size=training_size, epochs=supernet_epochs
        ),
    )


def trained_once() -> DesignProblem:
    """The same where each network is trained once: accuracies are noisier, and cost half."""
    return nas_mnist1d(seeds=1)


NAS_PROBLEMS: dict[str, Callable[..., DesignProblem]] = {
    "nas-mnist1d": nas_mnist1d,
    "nas-mnist1d-tasks": nas_mnist1d_tasks,
}
"""Name -> function that makes the problem."""
