"""The agents. Each module is light: what is heavy is imported by an agent that is used."""

from codesign_gym.search.agents.alternating import Alternating
from codesign_gym.search.agents.annealing import Annealing
from codesign_gym.search.agents.ant_colony import AntColony
from codesign_gym.search.agents.assisted import Assisted
from codesign_gym.search.agents.auto import Auto
from codesign_gym.search.agents.catcma import CatCma
from codesign_gym.search.agents.eas import Eas
from codesign_gym.search.agents.fbnetv5 import FbNetV5
from codesign_gym.search.agents.fbnetv5_supernet import FbNetV5Supernet
from codesign_gym.search.agents.forest import Forest
from codesign_gym.search.agents.gaussian_process import GaussianProcess
from codesign_gym.search.agents.genetic import Genetic
from codesign_gym.search.agents.large_batch_ppo import LargeBatchPpo
from codesign_gym.search.agents.local_search import LocalSearch
from codesign_gym.search.agents.multi_agent import Ippo, Mappo
from codesign_gym.search.agents.nsga2 import Nsga2
from codesign_gym.search.agents.optuna import OptunaAgent
from codesign_gym.search.agents.pc_darts import PcDarts
from codesign_gym.search.agents.ppo import A2c, Ppo
from codesign_gym.search.agents.proxylessnas import ProxylessNas
from codesign_gym.search.agents.random import RandomAgent
from codesign_gym.search.agents.regularized_evolution import RegularizedEvolution
from codesign_gym.search.agents.reinforce import Reinforce
from codesign_gym.search.agents.sac import Sac
from codesign_gym.search.agents.sequential import Dqn, MaskablePpo
from codesign_gym.search.agents.successive_halving import SuccessiveHalving
from codesign_gym.search.agents.surrogate_gradient import SurrogateGradient
from codesign_gym.search.agents.tpe import Tpe

__all__ = [
    "A2c",
    "Alternating",
    "Annealing",
    "AntColony",
    "Assisted",
    "Auto",
    "CatCma",
    "Dqn",
    "Eas",
    "FbNetV5",
    "FbNetV5Supernet",
    "Forest",
    "GaussianProcess",
    "Genetic",
    "Ippo",
    "LargeBatchPpo",
    "LocalSearch",
    "Mappo",
    "MaskablePpo",
    "Nsga2",
    "OptunaAgent",
    "PcDarts",
    "Ppo",
    "ProxylessNas",
    "RandomAgent",
    "RegularizedEvolution",
    "Reinforce",
    "Sac",
    "SuccessiveHalving",
    "SurrogateGradient",
    "Tpe",
]
