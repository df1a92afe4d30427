"""The one-way rule between the folders, read off every import statement."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("search_spaces", "cost_models", "envs", "search", "experiments")
"""Lowest first: a folder imports from itself and from those before it."""

HEAVY = {
    "cmaes", "distributed", "moocore", "numba", "onnx", "optuna", "plotly", "sb3_contrib",
    "sklearn", "stable_baselines3", "torch",
}  # fmt: skip

MAY_IMPORT_HEAVY = {
    "cost_models/accuracy/cell_kernels.py": "compiled by numba; imported by the training alone",
    "cost_models/accuracy/cell_training.py": "trains; imported inside a function",
    "cost_models/accuracy/cell_torch.py": "defines torch modules; imported by the training alone",
    "cost_models/accuracy/darts_torch.py": "defines torch modules; imported by the training",
    "cost_models/accuracy/grouped.py": "defines torch modules; imported by the training alone",
    "cost_models/accuracy/growing_torch.py": "defines torch modules; imported by the training",
    "cost_models/accuracy/hybrid_torch.py": "defines torch modules; imported by the training",
    "cost_models/accuracy/mobile_torch.py": "defines torch modules; imported by the training",
    "cost_models/accuracy/mobilenet_torch.py": "defines torch modules; imported by the training",
    "cost_models/accuracy/moe_vit_torch.py": "defines torch modules; imported by who has images",
    "cost_models/accuracy/nas_bench_201_torch.py": "defines torch modules; imported by who trains",
    "cost_models/accuracy/peak_memory.py": "watches torch; imported when memory is measured",
    "cost_models/accuracy/resnet9_torch.py": "defines torch modules; imported by the training",
    "cost_models/accuracy/supernet_cells.py": "defines torch modules; imported by who trains",
    "cost_models/accuracy/supernet_rules.py": "what torch modules do; imported by who trains",
    "cost_models/accuracy/supernet_torch.py": "defines torch modules; imported by who trains",
    "cost_models/accuracy/supernets.py": "makes torch modules; imported by who trains",
    "cost_models/accuracy/supernet_training.py": "trains with torch; imported inside a function",
    "cost_models/accuracy/training.py": "trains with torch; imported inside a function",
    "cost_models/accuracy/transformations.py": "rebuilds torch modules; imported by the training",
    "cost_models/accuracy/zero_cost_torch.py": "scores torch modules; imported at the first call",
    "cost_models/accuracy/unet_torch.py": "defines torch modules; imported by the training alone",
    "cost_models/analytical/maestro_kernel.py": "compiled by numba; imported at the first call",
    "cost_models/analytical/dataflow_kernel.py": "compiled by numba; imported at the first call",
    "cost_models/analytical/dataflow_layouts.py": "compiled by numba; imported at the first call",
    "cost_models/analytical/dataflow_search.py": "compiled by numba; imported at the first call",
    "cost_models/analytical/scheduling_exact.py": "compiled by numba; imported at the first call",
    "cost_models/analytical/scheduling_kernel.py": "compiled by numba; imported at the first call",
    "cost_models/analytical/systolic_kernel.py": "compiled by numba; imported at the first call",
    "cost_models/measured/gemm_kernel.py": "compiled by numba; imported when kernels are timed",
    "cost_models/learned/trees_kernel.py": "compiled by numba; imported at the first prediction",
    "cost_models/simulators/soc_kernel.py": "compiled by numba; imported at the first call",
    "cost_models/simulators/dram_kernel.py": "compiled by numba; imported at the first call",
    "cost_models/simulators/dram_queues.py": "compiled by numba; imported at the first call",
    "cost_models/workloads/from_torch.py": "reads torch modules; imported by who has one",
    "cost_models/workloads/torch_graph.py": "reads torch graphs; imported by from_torch",
    "experiments/report/comparison.py": "draws with plotly; imported when a report is written",
    "experiments/report/curves.py": "draws with plotly; imported when a report is written",
    "experiments/report/figures.py": "draws with plotly; imported when a report is written",
    "experiments/report/front.py": "draws with plotly; imported when a report is written",
    "experiments/report/layout.py": "draws with plotly; imported when a report is written",
    "experiments/report/parameters.py": "draws with plotly; imported when a report is written",
    "search/binary_gates.py": "holds logits of torch; imported when an agent is first asked",
    "search/controller.py": "holds networks of torch; imported when an agent is first asked",
    "search/differentiable.py": "holds logits of torch; imported when an agent is first asked",
    "search/growth_controller.py": "holds networks of torch; imported when an agent is first asked",
    "search/surrogate.py": "holds networks of torch; imported when an agent is first asked",
    "search/trained.py": "holds networks of torch; imported when an agent is first asked",
    "search/multi_agent_ppo.py": "holds networks of torch; imported when an agent is first asked",
    "experiments/reproduce/nasaic_figures.py": "draws with plotly; imported when the study is run",
    "experiments/reproduce/supernet_costs.py": "times torch modules; imported when it is run",
    "search/sb3.py": "defines stable-baselines3 callbacks; imported by the agents that train",
}
"""Modules that import a heavy library at the top -> why nobody pays for it unasked."""

MODULES = sorted(
    path.relative_to(ROOT).as_posix() for layer in LAYERS for path in (ROOT / layer).rglob("*.py")
)


def imports(node: ast.AST, top: bool = True) -> Iterator[tuple[str, int, bool]]:
    """Every import below a node: (module, relative level, whether importing the file runs it)."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, 0, top) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            name = child.module or ""
            yield name, child.level, top
            if name == "codesign_gym":  # from codesign_gym import search
                yield from ((f"{name}.{alias.name}", 0, top) for alias in child.names)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from imports(child, top=False)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for part in child.body:
                yield from imports(ast.Module([part], []), top=False)
            for part in child.orelse:
                yield from imports(ast.Module([part], []), top)
        else:
            yield from imports(child, top)


def faults(path: str, text: str) -> list[str]:
    """What is wrong with the imports of a module of this path."""
    own = LAYERS.index(path.split("/", 1)[0])
    found = []
    for name, level, top in imports(ast.parse(text)):
        first, *rest = name.split(".")
        if level:
            found.append(f"relative import of {name!r}")
        elif first in LAYERS:
            found.append(f"bare folder name {name!r}")
        elif name == "codesign_gym":
            found.append("imports the package's front door, which imports everything")
        elif first == "codesign_gym" and rest[0] in LAYERS and LAYERS.index(rest[0]) > own:
            found.append(f"{LAYERS[own]} must not know {name!r}")
        elif top and first in HEAVY and path not in MAY_IMPORT_HEAVY:
            found.append(f"heavy library {name!r} at the top")
    return found


@pytest.mark.parametrize("path", MODULES)
def test_imports(path: str) -> None:
    assert faults(path, (ROOT / path).read_text()) == []


def test_every_folder_is_walked() -> None:
    assert {path.split("/", 1)[0] for path in MODULES} == set(LAYERS)


def test_the_allow_list_holds_nothing_else() -> None:
    for path in MAY_IMPORT_HEAVY:
        found = imports(ast.parse((ROOT / path).read_text()))
        assert {name.split(".")[0] for name, _, top in found if top} & HEAVY, path


@pytest.mark.parametrize(
    ("path", "text", "fault"),
    [
        ("envs/x.py", "from . import y", "relative import"),
        ("envs/x.py", "from ..search import y", "relative import"),
        ("envs/x.py", "import search_spaces.space", "bare folder name"),
        ("envs/x.py", "from search_spaces import InputError", "bare folder name"),
        ("envs/x.py", "import codesign_gym", "front door"),
        ("envs/x.py", "from codesign_gym import search", "front door"),
        ("envs/x.py", "import codesign_gym.search.agent", "envs must not know"),
        ("search_spaces/x.py", "from codesign_gym.envs import Spec", "must not know"),
        ("search/x.py", "def f():\n    from codesign_gym.experiments import y", "must not know"),
        ("search/x.py", "import numpy, torch.nn", "heavy library 'torch.nn'"),
        ("search/x.py", "try:\n    import optuna\nexcept ImportError: pass", "heavy library"),
        ("search/x.py", "class A:\n    import sklearn", "heavy library"),
        ("search/x.py", "if TYPE_CHECKING: pass\nelse: import torch", "heavy library"),
    ],
)
def test_faults_are_found(path: str, text: str, fault: str) -> None:
    assert any(fault in found for found in faults(path, text))


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    import torch",
        "if TYPE_CHECKING:\n    import torch",
        "from codesign_gym.search.agent import Agent\nfrom codesign_gym.envs import Spec",
    ],
)
def test_what_is_allowed_is_no_fault(text: str) -> None:
    assert faults("search/x.py", text) == []
