"""Independent and multi-agent PPO: every parameter, or group of them, is an agent of its own.

IPPO: de Witt et al., "Is Independent Learning All You Need in the StarCraft Multi-Agent
Challenge?", arXiv 2011.09533. MAPPO: Yu et al., "The Surprising Effectiveness of PPO in Cooperative
Multi-Agent Games", NeurIPS 2022. Agents that each choose a parameter of a hardware design: Krishnan
et al., "Multi-Agent Reinforcement Learning for Microprocessor Design Space Exploration",
arXiv 2211.16385.

The game is that of `codesign_gym.envs.multi_agent_env` with one step: all agents choose at once,
and all get the design's reward. Nothing precedes the choice, so the state that MAPPO's critic would
see is constant. What it knows beyond IPPO's is what the other agents chose: the expected reward
given their choices is a baseline that leaves the gradient unbiased, since the own choice is not
part of it (Wu et al., "Variance Reduction for Policy Gradient with Action-Dependent Factorized
Baselines", ICLR 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

from codesign_gym.envs.teams import Team
from codesign_gym.search.options import one_of
from codesign_gym.search.team_ppo import TeamPpo, TeamPpoOptions


@dataclass(frozen=True)
class MultiAgentPpoOptions(TeamPpoOptions):
    """What can be set, besides what `TeamPpoOptions` has.

    Attributes:
        agents: An agent for each ``parameter``, for each ``group`` of them, or for the ``whole``.
    """

    agents: str = "parameter"


class Ippo(TeamPpo):
    """Independent PPO: the critic of an agent knows no more than the agent."""

    name = "ippo"
    Options = MultiAgentPpoOptions
    options: MultiAgentPpoOptions

    def _form_team(self) -> Team:
        one_of(self.name, "agents", self.options.agents, ("parameter", "group", "whole"))
        return Team.of(self.space, self.options.agents)


class Mappo(Ippo):
    """Multi-agent PPO: the critic of an agent knows what all the others chose."""

    name = "mappo"
    central = True
