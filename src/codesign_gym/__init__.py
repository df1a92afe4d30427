"""codesign-gym: hardware-aware neural architecture search and design-space exploration.

    >>> import codesign_gym as cg
    >>> problem = cg.make_problem("resnet18-asic")
    >>> agent = cg.make_agent("regularized-evolution", problem, seed=0)
    >>> result = cg.search(problem, agent, budget=200)
    >>> result.best.feasible
    True

Importing the package registers its Gymnasium environments. `search` is both the function and the
package that it lives in.
"""

from typing import TYPE_CHECKING

from codesign_gym.cost_models import (
    CostModel,
    Layers,
    Metric,
    Metrics,
    list_cost_models,
    make_cost_model,
)
from codesign_gym.envs import (
    DesignProblem,
    Evaluation,
    Evaluator,
    ProblemStatement,
    Spec,
    list_problems,
    make_problem,
)
from codesign_gym.search import Agent, SearchResult, list_agents, make_agent
from codesign_gym.search_spaces import (
    Categorical,
    Condition,
    InputError,
    Ordinal,
    SearchSpace,
    list_spaces,
    make_space,
)

if TYPE_CHECKING:  # at run time this is the package, which can be called
    from codesign_gym.search.loop import search

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "Categorical",
    "Condition",
    "CostModel",
    "DesignProblem",
    "Evaluation",
    "Evaluator",
    "InputError",
    "Layers",
    "Metric",
    "Metrics",
    "Ordinal",
    "ProblemStatement",
    "SearchResult",
    "SearchSpace",
    "Spec",
    "list_agents",
    "list_cost_models",
    "list_problems",
    "list_spaces",
    "make_agent",
    "make_cost_model",
    "make_problem",
    "make_space",
    "search",
]
