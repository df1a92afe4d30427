"""Inherited weights: ``codesign bench supernet``. Reports, asserts nothing.

How well accuracies with the weights of a supernet rank the networks of the own table, the one that
the package carries or that ``CODESIGN_DATA`` has as ``nb201-mnist1d.npz``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from scipy.stats import kendalltau

from codesign_gym.cost_models.accuracy.supernet_model import SupernetModel
from codesign_gym.experiments.bench_networks import OWN, own_table
from codesign_gym.experiments.bench_rows import Row, row


def supernet_rows(networks: int = 302, epochs: int = 10) -> Iterator[Row]:
    """Cost of a supernet, and Kendall's tau between inherited and own weights.

    Args:
        networks: Networks of the table to rank, an even sample; 0 for none.
        epochs: Epochs of the supernet.
    """
    model = SupernetModel(*OWN, epochs=epochs)
    start = time.process_time()
    model.evaluate(model.space.sample(1, 0))
    yield row("training of a supernet, CPU", time.process_time() - start, "s")
    records = own_table() if networks else None
    if records is None:
        return
    accuracy = records.correct[:, :, -1].mean(axis=1)
    rows = np.unique(np.linspace(0, len(accuracy) - 1, min(networks, len(accuracy))).astype(int))
    inherited = model.evaluate(model.space.unravel(records.network[rows]))
    said, true = inherited["accuracy_pct"], accuracy[rows]
    half = true > np.median(true)
    for name, kept in (("all", np.ones_like(half)), ("the better half of", half)):
        tau = float(kendalltau(said[kept], true[kept]).statistic)
        yield row(f"inherited weights, {name} {len(rows)} networks", tau, "Kendall")
