"""The agents. Each module is light: what is heavy is imported by an agent that is used."""

from codesign_gym.search.agents.multi_agent import Ippo, Mappo
from codesign_gym.search.agents.nsga2 import Nsga2
from codesign_gym.search.agents.optuna import OptunaAgent
from codesign_gym.search.agents.ppo import Ppo
from codesign_gym.search.agents.random import RandomAgent
from codesign_gym.search.agents.regularized_evolution import RegularizedEvolution
from codesign_gym.search.agents.reinforce import Reinforce
from codesign_gym.search.agents.sac import Sac

__all__ = [
    "Ippo",
    "Mappo",
    "Nsga2",
    "OptunaAgent",
    "Ppo",
    "RandomAgent",
    "RegularizedEvolution",
    "Reinforce",
    "Sac",
]
