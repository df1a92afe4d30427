"""What agents have in common that train a supernet and propose what it thinks best."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.accuracy.memory_faults import OUT_OF_MEMORY, ran_out_of_memory
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.supernet import SupernetTask
from codesign_gym.cost_models.accuracy.tasks import Task, get_task
from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.best_first import best_first
from codesign_gym.search.operators import keys
from codesign_gym.search.options import at_least, between
from codesign_gym.search.threads import one_thread
from codesign_gym.search_spaces import CellSpace, Designs, InputError

if TYPE_CHECKING:
    from codesign_gym.cost_models.accuracy.supernet_training import Lessons

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SupernetOptions:
    """What can be set for every supernet.

    Attributes:
        epochs: Passes over the half of the sequences that the weights learn; 0 for as many as the
            problem says.
        warm_up: Share of the epochs in which the weights alone learn.
        batch: Sequences per step.
        learning_rate: Of the weights, at its peak.
        choice_rate: Learning rate of the choices (Adam).
        width: Channels of the supernet.
    """

    epochs: int = 0
    warm_up: float = 0.3
    batch: int = 100
    learning_rate: float = Recipe.learning_rate
    choice_rate: float = 3e-2
    width: int = 16


class SupernetAgent(Agent):
    """Trains one supernet when it is first asked, then proposes designs by what it has learned.

    What the training costs is no evaluation, and not in the budget. The first proposal is the
    design that the supernet thinks best, the next one its second best, the same network only when
    there is no other. What they turn out to be worth changes nothing; designs that are known from
    elsewhere are left out.
    """

    needs = ("supernet",)
    Options = SupernetOptions
    options: Any
    name: ClassVar[str]

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least(self.name, "epochs", self.options.epochs, 0)
        between(self.name, "warm_up", self.options.warm_up, 0, 1)
        for option in ("batch", "width"):
            at_least(self.name, option, getattr(self.options, option), 1)
        for option in ("learning_rate", "choice_rate"):
            between(self.name, option, getattr(self.options, option), 1e-6, 10)
        self._scores: list[FloatArray] = []
        self._taken = 0
        self._seen: set[bytes] = set()
        self._order: Iterator[tuple[int, ...]] | None = None

    @property
    def task(self) -> SupernetTask:
        """What the supernet is trained on."""
        assert self.statement.supernet is not None  # the capability says so
        return self.statement.supernet

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Those of its tasks whose scores are objectives; all of them where none is."""
        everything = tuple(map(get_task, self.task.tasks))
        wanted = {metric.name for metric in self.statement.objectives}
        return tuple(task for task in everything if task.score in wanted) or everything

    @property
    def epochs(self) -> int:
        """Passes over the sequences for the weights."""
        return int(self.options.epochs) or self.task.epochs

    @property
    def warm_epochs(self) -> int:
        """How many of them the choices stay as they are."""
        return int(self.options.warm_up * self.epochs)

    def learned(self) -> Sequence[FloatArray]:
        """Scores of the candidates of each place, larger being better; trained at the first call.

        Raises:
            InputError: The training diverged, or there was no memory for it.
        """
        if not self._scores:
            from codesign_gym.cost_models.accuracy.supernet_training import Diverged

            try:
                with one_thread():
                    self._scores = self._learn()
            except Diverged as error:
                raise InputError(
                    f"agent {self.name}: {error}; a lower learning_rate than "
                    f"{self.options.learning_rate} may help"
                ) from None
            except (MemoryError, RuntimeError) as error:
                if not ran_out_of_memory(error):
                    raise
                raise InputError(
                    f"agent {self.name}: {OUT_OF_MEMORY} of the supernet; a smaller batch than "
                    f"{self.options.batch} or a smaller width than {self.options.width} may help"
                ) from None
        return self._scores

    @abstractmethod
    def _learn(self) -> list[FloatArray]:
        """Train the supernet; the scores of the candidates of each place."""

    def ranked(self) -> Iterator[tuple[int, ...]]:
        """All designs, those that are proposed first coming first."""
        return best_first(self.learned())

    def _different(self) -> Iterator[tuple[int, ...]]:
        """All designs in their order, at its end those that are the same network as another."""
        if not isinstance(self.space, CellSpace):
            return self.ranked()
        order = np.array([*self.ranked()], dtype=np.int32)
        networks = self.space.ravel(self.space.representatives(order))
        repeated = np.ones(len(order), dtype=np.bool_)
        repeated[np.unique(networks, return_index=True)[1]] = False
        return map(tuple, order[np.argsort(repeated, kind="stable")].tolist())

    def _lessons(self, share: int = 1, scaled: bool = False) -> Lessons:
        """A new supernet, and the data that it learns."""
        from codesign_gym.cost_models.accuracy.supernet_training import Lessons
        from codesign_gym.cost_models.accuracy.supernets import supernet

        tasks, o = [task.first(self.task.size) for task in self.tasks], self.options
        seed = int(self.rng.integers(2**31))
        metrics = [task.metric for task in tasks]
        made = supernet(self.task.space, metrics, share, seed, o.width, scaled)
        recipe = Recipe(self.epochs, o.batch, o.learning_rate)
        return Lessons(made, tasks, recipe, self.rng)

    def ask(self, n: int) -> Designs:
        """The next ``n`` designs that the supernet thinks best, then random ones."""
        found: list[Designs] = []
        if self._order is None:
            self._order = islice(self._different(), self._taken, None)
        while len(found) < n and (design := next(self._order, None)) is not None:
            self._taken += 1
            row = np.array([design], dtype=np.int32)
            if keys(row)[0] not in self._seen:
                found.append(row)
        if len(found) < n:  # that was all
            found.append(self.space.sample(n - len(found), self.rng))
        asked = np.concatenate(found)
        self._seen.update(keys(asked))
        return asked

    def state_dict(self) -> dict[str, Any]:
        """What was learned, and what is known; the supernet's weights are not needed any more."""
        order, self._order = self._order, None
        state = super().state_dict()
        self._order = order
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        super().load_state_dict(state)
        self._order = None

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Remember which designs are known."""
        self._seen.update(keys(evaluation.designs))
