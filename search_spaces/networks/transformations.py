"""Steps by which a plain network grows: a layer becomes wider, or a new one is put in.

Chen et al., "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016 (arXiv 1511.05641).
Here a step says what happens to the layers; what happens to the weights, so that the grown network
computes what the small one did, is in `codesign_gym.cost_models.accuracy.transformations`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from codesign_gym.search_spaces.errors import InputError
from codesign_gym.search_spaces.networks.growth import (
    FILTERS,
    KERNELS,
    MOST_CONVOLUTIONS,
    MOST_DENSE,
    UNITS,
    Layer,
    Plain,
)


@dataclass(frozen=True)
class Wider:
    """A layer gets more filters or units (Net2Wider).

    Attributes:
        part: Index of the block, or of the fully connected layers, in `Plain.parts`.
        layer: Index of the layer in it.
        width: Its new width, no less than the old one.
    """

    part: int
    layer: int
    width: int


@dataclass(frozen=True)
class Deeper:
    """A layer as wide as the one before it is put in (Net2Deeper).

    Attributes:
        part: Index of the block, or of the fully connected layers, in `Plain.parts`.
        layer: Index of the layer that it comes after.
        kernel: Its taps, an odd number; 1 in fully connected layers.
    """

    part: int
    layer: int
    kernel: int = 1


Step = Wider | Deeper


def next_width(network: Plain, part: int, layer: int) -> int | None:
    """The next level of width of a layer, None where it has the last."""
    levels = UNITS if part == len(network.blocks) else FILTERS
    wider = [level for level in levels if level > network.parts[part][layer].width]
    return wider[0] if wider else None


def is_full(network: Plain, part: int) -> bool:
    """Whether a part has as many layers as the space allows."""
    most = MOST_DENSE if part == len(network.blocks) else MOST_CONVOLUTIONS
    return len(network.parts[part]) >= most


def grown(network: Plain, *steps: Step) -> Plain:
    """The network after some steps.

    Raises:
        InputError: A step names a layer that is not there, makes one narrower, or puts in a layer
            whose kernel cannot be that of an identity.

    >>> small = Plain(((Layer(4, 3),), (Layer(16),)))
    >>> grown(small, Wider(0, 0, 8), Deeper(0, 0, 5)).parts
    ((Layer(width=8, kernel=3), Layer(width=8, kernel=5)), (Layer(width=16, kernel=1),))
    """
    for step in steps:
        if not 0 <= step.part < len(network.parts) or not (
            0 <= step.layer < len(network.parts[step.part])
        ):
            raise InputError(f"{step} names a layer that is not in {network.parts}")
        layers = list(network.parts[step.part])
        old = layers[step.layer]
        if isinstance(step, Wider):
            if step.width < old.width:
                raise InputError(f"width must be at least {old.width}, got {step.width}")
            layers[step.layer] = old._replace(width=step.width)
        else:
            allowed = (1,) if step.part == len(network.blocks) else KERNELS
            if step.kernel not in allowed:
                raise InputError(f"kernel must be one of {allowed}, got {step.kernel}")
            layers.insert(step.layer + 1, Layer(old.width, step.kernel))
        parts = list(network.parts)
        parts[step.part] = tuple(layers)
        network = replace(network, parts=tuple(parts))
    return network


def steps_between(parent: Plain, child: Plain) -> list[Step] | None:
    """Steps that make the child of the parent, new layers first; None where there are none.

    >>> small = Plain(((Layer(4, 3),), (Layer(16),)))
    >>> large = Plain(((Layer(8, 3), Layer(4, 1)), (Layer(16),)))
    >>> steps_between(small, large)
    [Deeper(part=0, layer=0, kernel=1), Wider(part=0, layer=0, width=8)]
    >>> steps_between(large, small)
    """
    if (parent.length, parent.classes, len(parent.parts)) != (
        child.length,
        child.classes,
        len(child.parts),
    ):
        return None
    steps: list[Step] = []
    for part, (old, new) in enumerate(zip(parent.parts, child.parts, strict=True)):
        kept = _kept(old, new)
        if kept is None:
            return None
        steps += [Deeper(part, i - 1, layer.kernel) for i, layer in enumerate(new) if i not in kept]
        widths = _widths_after_insertion(old, kept, len(new))
        steps += [
            Wider(part, i, layer.width)
            for i, (layer, width) in enumerate(zip(new, widths, strict=True))
            if layer.width > width
        ]
    return steps


def _widths_after_insertion(old: tuple[Layer, ...], kept: Iterable[int], n: int) -> list[int]:
    """Width of each of ``n`` layers where those of the parent stand at ``kept``."""
    at, widths = dict(zip(kept, old, strict=True)), [0] * n
    for i in range(n):
        widths[i] = at[i].width if i in at else widths[i - 1]
    return widths


def _kept(old: tuple[Layer, ...], new: tuple[Layer, ...]) -> tuple[int, ...] | None:
    """Where the parent's layers stand in the child's part, the first at 0; None if nowhere."""
    if not old or not new:
        return () if old == new else None

    def place(i: int, start: int) -> tuple[int, ...] | None:
        # Layer i of the parent goes to the first place where all the later ones fit too.
        for at in range(start, 1 if i == 0 else len(new) - (len(old) - i) + 1):
            if i and new[at - 1].width < old[i - 1].width:
                return None  # a layer put in before `at` would have to be narrower than its origin
            if new[at].kernel == old[i].kernel and new[at].width >= old[i].width:
                if i + 1 < len(old):
                    rest = place(i + 1, at + 1)
                elif all(layer.width >= old[i].width for layer in new[at:]):
                    rest = ()
                else:
                    rest = None
                if rest is not None:
                    return (at, *rest)
        return None

    return place(0, 0)
