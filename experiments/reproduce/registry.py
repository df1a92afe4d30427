"""Reproductions by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codesign_gym.experiments.reproduce.draco import SOURCE, reproduce_draco
from codesign_gym.experiments.reproduce.finding import Finding, Settings
from codesign_gym.search_spaces import InputError, Registry


@dataclass(frozen=True)
class Reproduction:
    """A study of a paper's claims.

    Attributes:
        run: Carries it out.
        about: What it compares, in a line.
        source: The paper.
        seeds: Repetitions unless told otherwise.
        budget: Evaluations of each search unless told otherwise.
    """

    run: Callable[[Settings], Finding]
    about: str
    source: str
    seeds: int
    budget: int


REPRODUCTIONS: Registry[Reproduction] = Registry("reproduction", "codesign_gym.reproductions")
"""Registered reproductions: name -> study."""


REPRODUCTIONS.register("draco")(
    Reproduction(
        reproduce_draco,
        "MobileNetV1 with grouped convolutions on 64x64 PEs against row stationary",
        SOURCE,
        seeds=5,
        budget=2000,
    )
)


def reproduction(name: str) -> Reproduction:
    """The study called ``name``: a registered name, or ``module:attribute``.

    Raises:
        InputError: There is none, or it is not a `Reproduction`.
    """
    found = REPRODUCTIONS.get(name)
    if not isinstance(found, Reproduction):
        raise InputError(f"reproduction {name!r} must be a Reproduction, got {found!r}")
    return found


def _nasaic(settings: Settings) -> Finding:
    from codesign_gym.experiments.reproduce.nasaic_study import study_nasaic

    return study_nasaic(settings)


REPRODUCTIONS.register("nasaic")(
    Reproduction(
        run=_nasaic,
        about="networks and chip together, or one after the other, under three specs",
        source="NASAIC (arXiv 2002.04116), table I",
        seeds=10,
        budget=1000,
    )
)
