"""Works out the specs of NASAIC's problems in this package's model and stores them.

Run as ``python -m codesign_gym.experiments.reproduce.derive_nasaic [file]``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from codesign_gym.cost_models.accuracy.table import AccuracyTable
from codesign_gym.cost_models.workloads.spaces import all_networks
from codesign_gym.envs import nasaic
from codesign_gym.search_spaces import cell_network

COMMAND = "python -m codesign_gym.experiments.reproduce.derive_nasaic"


def cell_task(word_bytes: int = 1) -> nasaic.Task:
    """Cell networks on MNIST-1D, with their accuracies at one width of word."""
    table = AccuracyTable()
    designs = table.space.enumerate()
    word = table.space.parameters[-1].index(word_bytes)
    accuracy = table.evaluate(designs[designs[:, -1] == word])["accuracy_pct"]
    return nasaic.Task(cell_network(), all_networks(cell_network()), accuracy, table.source)


TASKS: dict[str, Callable[[], tuple[nasaic.Task, nasaic.Task]]] = {
    "nasaic-cell": lambda: (cell_task(), cell_task()),
}
"""The tasks of each problem; ``nasaic-cell`` is for tests of the mechanism."""


def main(path: Path) -> None:
    """Write the specs of all problems to ``path``."""
    problems = {}
    for name, make in TASKS.items():
        tasks = make()
        specs = {spec.metric: spec.bound for spec in nasaic.derive_specs(*tasks)}
        problems[name] = {"nas_then_asic": nasaic.nas_then_asic(*tasks), "specs": specs}
    made = {"command": COMMAND, "version": version("codesign-gym"), "problems": problems}
    path.write_text(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    default = Path(nasaic.__file__).parent / "nasaic_specs.json"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
