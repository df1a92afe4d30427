"""Any Optuna sampler as an agent."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.operators import keys
from codesign_gym.search.state import pack, unpack
from codesign_gym.search_spaces import Designs, InputError
from codesign_gym.search_spaces.errors import unknown_name

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

_FINITE = 1e30
"""Stands for an infinitely bad objective, which Optuna does not take."""


@dataclass(frozen=True)
class OptunaOptions:
    """What can be set.

    Attributes:
        sampler: Name of a class of ``optuna.samplers``, with or without "Sampler": TPE, GP, CmaEs,
            NSGAII, NSGAIII, QMC, Random.
        multi_objective: Whether the sampler sees the problem's objectives instead of its reward;
            by default NSGA-II and NSGA-III do, where there are several.
    """

    sampler: str = "TPE"
    multi_objective: bool | None = None


class OptunaAgent(Agent):
    """An Optuna study behind the agent protocol; specs become constraints where it takes them."""

    Options = OptunaOptions
    options: OptunaOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        several = len(statement.objectives) > 1
        wanted = self.options.multi_objective
        self._pareto = several and (
            "nsga" in self.options.sampler.lower() if wanted is None else wanted
        )
        self._log: list[tuple[str, Any, Any]] = []
        self._begin()
        if self._pareto:  # a sampler of one objective says so when it is asked
            self.ask(1)
            self._begin()

    def _begin(self) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        m = len(self.statement.objectives) if self._pareto else 1
        self._distributions = self.space.to_optuna()
        self._pending: dict[bytes, list[Trial]] = {}
        self._log = []
        self._study = optuna.create_study(
            sampler=_sampler(self.options.sampler, self.seed, bool(self.statement.specs)),
            directions=["minimize"] * m,
        )

    def ask(self, n: int) -> Designs:
        """``n`` trials of the study."""
        rows = []
        with warnings.catch_warnings():
            # Constraints and some samplers are marked experimental on every use.
            warnings.simplefilter("ignore")
            for _ in range(n):
                try:
                    trial = self._study.ask(self._distributions)
                except (ImportError, ValueError) as error:
                    raise InputError(
                        f"Optuna's sampler {self.options.sampler!r} cannot be used here: {error}"
                    ) from error
                rows.append(self.space.from_optuna(trial.params))
                self._pending.setdefault(rows[-1][0].tobytes(), []).append(trial)
        self._log.append(("ask", n, None))
        return np.concatenate(rows)

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Finish the trials of these designs; designs that were not asked for join the study."""
        if self._pareto:
            values = np.nan_to_num(evaluation.objectives, posinf=_FINITE, neginf=-_FINITE)
        else:
            values = -self.statement.reward(evaluation)[:, None]
        violations = np.nan_to_num(evaluation.violations, posinf=_FINITE)
        self._tell(evaluation.designs, values, violations)

    def _tell(self, designs: Designs, values: Any, violations: Any) -> None:
        from optuna.trial import create_trial

        self._log.append(("tell", designs, (values, violations)))
        rows = zip(keys(designs), designs, values.tolist(), violations.tolist(), strict=True)
        for key, design, value, violation in rows:
            waiting = self._pending.get(key)
            if waiting:
                trial = waiting.pop(0)
                trial.set_user_attr("violations", violation)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    self._study.tell(trial, value)
                continue
            params = {
                name: int(i) if p.ordered else p.values[i]
                for name, p, i in zip(self.space.names, self.space.parameters, design, strict=True)
            }
            self._study.add_trial(
                create_trial(
                    params=params,
                    distributions=self._distributions,
                    values=value,
                    user_attrs={"violations": violation},
                    system_attrs={"constraints": violation},  # where Optuna looks for them
                )
            )

    def state_dict(self) -> dict[str, Any]:
        """Everything asked and told, from which the study can be made again."""
        return {"seed": self.seed, "log": pack(self._log)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Ask and tell again: the sampler's random state follows."""
        self.seed = state["seed"]
        self._begin()
        for kind, first, second in unpack(state["log"]):
            if kind == "ask":
                self.ask(first)
            else:
                self._tell(first, *second)


def _constraints(trial: FrozenTrial) -> Sequence[float]:
    violations: Sequence[float] = trial.user_attrs["violations"]
    return violations


def _sampler(name: str, seed: int, constrained: bool) -> BaseSampler:
    """The sampler called ``name``; one that is unknown or cannot be made raises `InputError`."""
    import optuna.samplers

    unusable = {"BaseSampler", "BaseGASampler", "nsgaii"}  # not samplers
    unusable |= {"GridSampler", "PartialFixedSampler"}  # need arguments
    unusable |= {"BruteForceSampler"}  # ends a study by itself
    usable = {n.removesuffix("Sampler"): n for n in set(optuna.samplers.__all__) - unusable}
    by_lower = {short.lower(): full for short, full in usable.items()}
    full_name = by_lower.get(name.lower().removesuffix("sampler"))
    if full_name is None:
        error = unknown_name("Optuna sampler", name, usable)
        raise InputError(f"option 'sampler' of optuna: {error}")
    kind = getattr(optuna.samplers, full_name)
    takes = inspect.signature(kind).parameters
    arguments: dict[str, Any] = {"seed": seed}
    if constrained and "constraints_func" in takes:
        arguments["constraints_func"] = _constraints
    if "scramble" in takes:
        arguments["scramble"] = True  # without it the seed has no effect
    for quiet in ("warn_independent_sampling", "warn_asynchronous_seeding"):
        if quiet in takes:
            arguments[quiet] = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental samplers
        try:
            sampler: BaseSampler = kind(**arguments)
        except ImportError as error:
            raise InputError(f"Optuna's {full_name} needs a package: {error}") from None
    return sampler
