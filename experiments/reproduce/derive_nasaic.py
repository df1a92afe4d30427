"""Works out the specs of NASAIC's problems in this package's model and stores them.

Run as ``python -m codesign_gym.experiments.reproduce.derive_nasaic [file]``.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

from codesign_gym.envs import nasaic
from codesign_gym.search_spaces.files import write_whole

COMMAND = "python -m codesign_gym.experiments.reproduce.derive_nasaic"


def main(path: Path) -> None:
    """Write the specs of all problems to ``path``."""
    problems = {}
    for name in nasaic.WORKLOADS:
        tasks = nasaic.workload(name)
        specs = {spec.metric: spec.bound for spec in nasaic.derive_specs(*tasks)}
        problems[name] = {"nas_then_asic": nasaic.nas_then_asic(*tasks), "specs": specs}
    made = {"command": COMMAND, "version": version("codesign-gym"), "problems": problems}
    write_whole(path, json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    default = Path(nasaic.__file__).parent / "nasaic_specs.json"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
