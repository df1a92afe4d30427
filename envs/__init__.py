"""Problems, and the games made of them."""

from __future__ import annotations

import gymnasium

from codesign_gym.envs.evaluation import Evaluation
from codesign_gym.envs.evaluator import BudgetExhausted, Evaluator
from codesign_gym.envs.problem import DesignProblem, Fidelity, ProblemStatement
from codesign_gym.envs.problems import PROBLEMS, list_problems, make_problem, problem_factory
from codesign_gym.envs.specs import Spec

__all__ = [
    "PROBLEMS",
    "BudgetExhausted",
    "DesignProblem",
    "Evaluation",
    "Evaluator",
    "Fidelity",
    "ProblemStatement",
    "Spec",
    "list_problems",
    "make_problem",
    "problem_factory",
]

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
if "codesign/NetworkTransformation-v0" not in gymnasium.registry:
    gymnasium.register(
        id="codesign/NetworkTransformation-v0",
        entry_point="codesign_gym.envs.network_transformation:NetworkTransformationEnv",
    )
