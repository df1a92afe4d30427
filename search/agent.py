"""The agent protocol: ask for designs, be told what they cost, in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from codesign_gym.envs import Evaluation, Evaluator, ProblemStatement
from codesign_gym.search.capabilities import check_capabilities
from codesign_gym.search.options import NoOptions
from codesign_gym.search.state import pack, unpack
from codesign_gym.search_spaces import Designs, InputError


class Agent(ABC):
    """Searches a space it knows only by asking.

    A subclass writes `ask` and `tell`. Randomness comes from ``self.rng`` alone, so that the same
    seed gives the same search. A trace::

        designs = agent.ask(4)                 # 4 proposals
        agent.tell(designs, evaluation)        # all 4 at once, or in parts, or others' designs

    Args:
        statement: Space, objectives, specs and reward of the problem; never its cost models.
        seed: Of the agent's random generator.
        options: An instance of the class's ``Options``.

    Attributes:
        Options: Frozen dataclass of what can be set.
        batch_size: Designs per round of the default search loop.
        owns_loop: Whether the agent drives the evaluator itself (`search` is overridden, `ask` and
            `tell` are not available).
        needs: What a problem must offer, names in `capabilities.CAPABILITIES`; checked when the
            agent is made.
        packages: Modules that must be installed -> the extra of this package that has them.
    """

    Options: ClassVar[type] = NoOptions
    batch_size: int = 1
    owns_loop: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        check_capabilities(type(self).__name__, statement, self.needs, self.packages)
        self.statement = statement
        self.space = statement.space
        self.seed = seed
        self.options = self.Options() if options is None else options
        self.rng = np.random.default_rng(seed)

    @abstractmethod
    def ask(self, n: int) -> Designs:
        """``n`` designs to evaluate next, ``[n, p]``."""

    @abstractmethod
    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Learn what designs ``[n, p]`` cost, those of `ask` or any others."""

    def search(self, evaluator: Evaluator) -> None:
        """Spend the evaluator's budget."""
        while evaluator.remaining:
            designs = self.ask(min(self.batch_size, evaluator.remaining))
            if designs is None or not len(designs):
                raise InputError(f"agent {type(self).__name__} proposed no designs")
            self.tell(designs, evaluator.evaluate(designs))

    def state_dict(self) -> dict[str, Any]:
        """All that the agent has learned, as JSON-able data.

        Raises:
            TypeError: The agent keeps something that is not plain data and does not override this.
        """
        fixed = {"statement", "space", "options", "seed"}
        return {name: pack(value) for name, value in vars(self).items() if name not in fixed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave; the agent must be of the same class and statement."""
        for name, value in state.items():
            setattr(self, name, unpack(value))
