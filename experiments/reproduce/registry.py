"""Reproductions by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint

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


def reproduction(name: str) -> Reproduction:
    """The study called ``name``: a registered name, or ``module:attribute``.

    Raises:
        InputError: There is none, or it is not a `Reproduction`.
    """
    found = REPRODUCTIONS.get(name)
    if not isinstance(found, Reproduction):
        raise InputError(f"reproduction {name!r} must be a Reproduction, got {found!r}")
    return found


def _later(name: str) -> Callable[[Settings], Finding]:
    """The function ``module:function`` of this folder, imported when it is called."""

    def run(settings: Settings) -> Finding:
        point = f"codesign_gym.experiments.reproduce.{name}"
        study: Callable[[Settings], Finding] = EntryPoint("", point, "").load()
        return study(settings)

    return run


REPRODUCTIONS.register("archgym-lottery")(
    Reproduction(
        run=_later("lottery:study"),
        about="what the options of agents do on DRAM controllers, and what the agents do",
        source="ArchGym (arXiv 2306.08888)",
        seeds=10,
        budget=300,
    )
)
REPRODUCTIONS.register("archgym-proxy")(
    Reproduction(
        run=_later("archgym_proxy:study"),
        about="proxies of DRAM and accelerator models, by how much data and whose",
        source="ArchGym (arXiv 2306.08888)",
        seeds=3,
        budget=1000,
    )
)
REPRODUCTIONS.register("draco")(
    Reproduction(
        run=_later("draco:reproduce_draco"),
        about="MobileNetV1 with grouped convolutions on 64x64 PEs against row stationary",
        source="DRACO (arXiv 2006.15103)",
        seeds=5,
        budget=2000,
    )
)
REPRODUCTIONS.register("eas")(
    Reproduction(
        run=_later("eas:study"),
        about="networks that inherit weights against networks from scratch, EAS against chance",
        source="EAS (arXiv 1707.04873)",
        seeds=3,
        budget=24,
    )
)
REPRODUCTIONS.register("fbnetv5")(
    Reproduction(
        run=_later("fbnetv5:study"),
        about="several tasks searched in one run against a run for each, on known networks",
        source="FBNetV5 (arXiv 2111.10007)",
        seeds=20,
        budget=100,
    )
)
REPRODUCTIONS.register("gpperf")(
    Reproduction(
        run=_later("gpperf:study"),
        about="times (and power, where measured) of matrix products on GPUs, seen and unseen sizes",
        source="GPPerf (arXiv 2411.16954)",
        seeds=1,
        budget=20_000,
    )
)
REPRODUCTIONS.register("marl-dram")(
    Reproduction(
        run=_later("marl_dram:study"),
        about="multi-agent against single-agent reinforcement learning on DRAM controllers",
        source="Krishnan et al. (arXiv 2211.16385)",
        seeds=10,
        budget=500,
    )
)
REPRODUCTIONS.register("nasaic")(
    Reproduction(
        run=_later("nasaic_study:study_nasaic"),
        about="networks and chip together, or one after the other, under three specs",
        source="NASAIC (arXiv 2002.04116), table I",
        seeds=10,
        budget=1000,
    )
)
REPRODUCTIONS.register("ncpp")(
    Reproduction(
        run=_later("ncpp:study"),
        about="scores of processors by attention over groups of features, and by simpler models",
        source="NCPP (arXiv 2407.03385)",
        seeds=1,
        budget=1,
    )
)
REPRODUCTIONS.register("pc-darts")(
    Reproduction(
        run=_later("pc_darts:study"),
        about="partial channels against all of them in a differentiable search, and chance",
        source="PC-DARTS (arXiv 1907.05737)",
        seeds=10,
        budget=1,
    )
)
REPRODUCTIONS.register("proxylessnas")(
    Reproduction(
        run=_later("proxylessnas:study"),
        about="networks for three latencies by two paths at a time, against scaling by width",
        source="ProxylessNAS (arXiv 1812.00332)",
        seeds=3,
        budget=6,
    )
)
