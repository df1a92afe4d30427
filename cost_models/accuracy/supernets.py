"""The supernet of each space that has one.

See `supernet_torch` for what a supernet is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from codesign_gym.cost_models.accuracy.supernet_cells import cells_1d
from codesign_gym.cost_models.accuracy.supernet_torch import Mixture, Supernet
from codesign_gym.search_spaces.errors import unknown_name
from codesign_gym.search_spaces.networks.nas_bench_201 import SEQUENCE_WIDTH

SUPERNETS: dict[str, Callable[[int, Sequence[str], int], Supernet]] = {"nas-bench-201-1d": cells_1d}
"""Space -> what makes its supernet, given one in how many channels is mixed, the metrics of the
tasks, and the channels."""


def supernet(
    space: str,
    metrics: Sequence[str] = ("accuracy",),
    share: int = 1,
    seed: int = 0,
    width: int = SEQUENCE_WIDTH,
    scaled: bool = False,
) -> Supernet:
    """The untrained supernet of a space.

    Args:
        space: Name of the space.
        metrics: Of the tasks, which decide what it answers.
        share: One in so many channels is mixed.
        seed: Of the first weights.
        width: Channels.
        scaled: Whether batch norms of candidates have a scale and a shift. Where candidates are
            weighed against each other, a scale would take part in the weighing; and so that none
            weighs more by its size alone, pools get such a batch norm too, as in the code of DARTS
            and PC-DARTS.

    Raises:
        InputError: The space has no supernet, or the channels cannot be shared like that.
    """
    if space not in SUPERNETS:
        raise unknown_name("space with a supernet", space, SUPERNETS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = SUPERNETS[space](share, metrics, width)
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    places = [m for m in made.modules() if isinstance(m, Mixture) and not scaled]
    for place in places:
        for i, candidate in enumerate(place.candidates):
            if isinstance(candidate, nn.AvgPool1d):
                place.candidates[i] = nn.Sequential(candidate, nn.BatchNorm1d(place.mixed))
    for norm in (m for m in made.modules() if isinstance(m, norms)):
        norm.track_running_stats = False
        norm.running_mean, norm.running_var, norm.num_batches_tracked = None, None, None
    for place in places:
        for norm in (m for m in place.modules() if isinstance(m, norms)):
            norm.affine = False
            norm.weight, norm.bias = None, None  # type: ignore[assignment]  # torch: never None
    return made
