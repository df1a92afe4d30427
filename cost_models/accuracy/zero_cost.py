"""Zero-cost proxies: scores of untrained networks as a cost model.

See `zero_cost_torch` for the scores and their papers. Parameters and multiply-accumulates are the
baselines that a score must beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from codesign_gym.cost_models.accuracy.tasks import get_task
from codesign_gym.cost_models.accuracy.train_table import check_trainable
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.threads import one_thread
from codesign_gym.search_spaces import Designs, InputError, make_space
from codesign_gym.search_spaces.errors import unknown_name

if TYPE_CHECKING:
    from codesign_gym.cost_models.accuracy.zero_cost_torch import Probe

PROXIES = {
    "grad_norm": "norm of the gradient",
    "snip": "weights times gradient",
    "synflow": "log of weights times gradient, data-free",
    "grasp": "weights times Hessian times gradient",
    "fisher": "activations times gradient",
    "jacob_cov": "decorrelation of the inputs' Jacobians",
    "naswot": "log determinant of the agreement of ReLUs",
    "zen": "log sensitivity to small changes, data-free",
    "parameters": "trained numbers",
    "macs": "multiply-accumulates",
}
"""Proxies by name, and what each is in a few words."""

UNITS = {"parameters": "numbers", "macs": "MACs"}
"""Units of the proxies that have one."""

IMAGE_SPACE = "nas-bench-201"
"""The space of networks on images, for which the data are Gaussian noise."""


class ZeroCostProxies(CostModel):
    """Scores of untrained networks; more is taken to be better, of size too.

    Every network is scored with the weights that the seed draws, on the first inputs of the task.
    The published networks of ``nas-bench-201`` are scored on Gaussian images with random classes.

    Args:
        space: Name of a space of trainable networks.
        task: What the batch is taken from; ``nas-bench-201`` has none.
        proxies: Names out of `PROXIES`.
        batch: Inputs.
        seed: Of the weights, and of the noise.
    """

    name = "zero-cost-proxies"
    source = (
        "Abdelfattah et al., ICLR 2021; Mellor et al., ICML 2021; Lin et al., ICCV 2021; "
        "single precision, one batch"
    )

    def __init__(
        self,
        space: str = "nas-bench-201-1d",
        task: str = "mnist1d",
        *,
        proxies: Sequence[str] = tuple(PROXIES),
        batch: int = 32,
        seed: int = 0,
    ) -> None:
        for proxy in proxies:
            if proxy not in PROXIES:
                raise unknown_name("zero-cost proxy", proxy, PROXIES)
        if not proxies or len(set(proxies)) < len(proxies):
            raise InputError(f"proxies must be different names, at least one; got {list(proxies)}")
        if not 2 <= batch <= 1000:
            raise InputError(f"batch must be in 2..1000, got {batch}")
        if space != IMAGE_SPACE:
            check_trainable(space, task)
        self.about = get_task(task)
        self.space_name, self.space = space, make_space(space)
        self.batch, self.seed, self.proxies = batch, seed, tuple(proxies)
        self.metrics = tuple(
            Metric(proxy, UNITS.get(proxy, "score"), "max", PROXIES[proxy]) for proxy in proxies
        )

    def compute(self, designs: Designs) -> Metrics:
        """Scores of the networks ``[n, p]``."""
        from codesign_gym.cost_models.accuracy.zero_cost_torch import SCORES

        rows = []
        with one_thread():
            for network in self.space.decode(designs):
                probe = self._probe(network)
                rows.append([SCORES[proxy](probe) for proxy in self.proxies])
        values = np.array(rows, dtype=np.float64).reshape(len(designs), len(self.proxies))
        return Metrics(self.metrics, values)

    def _probe(self, network: dict[str, Any]) -> Probe:
        import torch

        from codesign_gym.cost_models.accuracy.grouped import seeded
        from codesign_gym.cost_models.accuracy.training import MARKING, builder
        from codesign_gym.cost_models.accuracy.zero_cost_torch import Probe

        images = self.space_name == IMAGE_SPACE
        metric = "accuracy" if images else self.about.metric
        if images:
            generator = torch.Generator().manual_seed(self.seed)
            x = torch.randn(self.batch, 3, 32, 32, generator=generator)
            y = torch.randint(10, (self.batch,), generator=generator)[:, None]
        else:
            data = self.about.data()
            x = torch.from_numpy(data.x[: self.batch])[:, None]
            y = torch.from_numpy(data.y[: self.batch])[:, None]
        module = seeded(builder(self.space_name, network, metric), (self.seed,))
        return Probe(module, x, y, MARKING[metric][0])
