"""What ``import codesign_gym`` costs, measured in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

LIMIT_S = 0.3
HEAVY = {
    "cmaes", "distributed", "moocore", "numba", "onnx", "optuna", "plotly", "sb3_contrib",
    "sklearn", "stable_baselines3", "torch",
}  # fmt: skip

SCRIPT = """
import json, sys, time
import gymnasium, numpy
begin = time.process_time()
import codesign_gym
cost = time.process_time() - begin
print(json.dumps([cost, sorted({name.split(".")[0] for name in sys.modules})]))
"""


def fresh_import() -> tuple[float, set[str]]:
    """CPU seconds beyond numpy and gymnasium, and the packages that were imported."""
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    found: list[Any] = json.loads(run.stdout)
    return float(found[0]), set(found[1])


def test_import_is_cheap_and_heavy_libraries_stay_out() -> None:
    runs = [fresh_import() for _ in range(3)]
    for _, packages in runs:
        assert "codesign_gym" in packages
        assert not packages & HEAVY
    assert min(cost for cost, _ in runs) < LIMIT_S
