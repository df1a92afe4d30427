"""Problems, and the games made of them."""

from __future__ import annotations

import gymnasium

import codesign_gym.envs.dram_problems  # noqa: F401 - registers its problems
from codesign_gym.envs.archgym_problems import ARCHGYM_PROBLEMS
from codesign_gym.envs.draco import draco_mnist1d, draco_mobilenet
from codesign_gym.envs.evaluation import Evaluation
from codesign_gym.envs.evaluator import BudgetExhausted, Evaluator
from codesign_gym.envs.problem import DesignProblem, ProblemStatement
from codesign_gym.envs.problems import PROBLEMS, list_problems, make_problem
from codesign_gym.envs.soc_problems import SOC_PROBLEMS
from codesign_gym.envs.specs import Spec
from codesign_gym.envs.synthetic import synthetic_12x8, synthetic_12x8_front

__all__ = [
    "PROBLEMS",
    "BudgetExhausted",
    "DesignProblem",
    "Evaluation",
    "Evaluator",
    "ProblemStatement",
    "Spec",
    "draco_mnist1d",
    "draco_mobilenet",
    "list_problems",
    "make_problem",
]

for _name, _factory in (ARCHGYM_PROBLEMS | SOC_PROBLEMS).items():
    PROBLEMS.register(_name)(_factory)
PROBLEMS.register("synthetic-12x8")(synthetic_12x8)
PROBLEMS.register("synthetic-12x8-front")(synthetic_12x8_front)

# Gymnasium has no entry points for plug-ins: importing the package registers its ids, so that
# gymnasium.make("codesign_gym:codesign/Design-v0") works. Asked first, since registering twice
# warns and doctest runners do import a package twice.
if "codesign/Design-v0" not in gymnasium.registry:
    gymnasium.register(
        id="codesign/Design-v0",
        entry_point="codesign_gym.envs.design_env:DesignEnv",
        vector_entry_point="codesign_gym.envs.design_env:DesignVectorEnv",
        kwargs={"problem": "mnist1d-asic"},
    )
