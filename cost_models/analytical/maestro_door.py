"""MAESTRO's figures behind the dataflow model's door: every accelerator and layer has a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.analytical.layer_costs import REASONS, LayerCosts, with_faults
from codesign_gym.cost_models.analytical.maestro import (
    CLUSTER_PES,
    TEMPLATES,
    MaestroAccelerators,
    has_template,
    layer_table,
)
from codesign_gym.cost_models.analytical.spatial_arrays import SpatialAccelerators
from codesign_gym.cost_models.workloads.constructors import linear
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.search_spaces.checks import as_table
from codesign_gym.search_spaces.errors import InputError, unknown_name
from codesign_gym.search_spaces.hardware.spatial import TEMPLATES as SPATIAL

_NAMES = {"nvdla": "kcp_ws", "shidiannao": "yxp_os", "eyeriss": "rs"}
_COLUMNS = ("template", "num_pes", "noc_bandwidth", "noc_latency", "l1_bytes", "l2_kb")
_NO_PES, _L1_SMALL, _L2_SMALL, _NO_CLUSTER, _NO_TEMPLATE, _NO_LAYER = (
    REASONS.index(words)
    for words in (
        "no processing elements",
        "registers smaller than a tile",
        "shared buffer smaller than a tile",
        "fewer processing elements than a cluster of the template",
        "MAESTRO has no such template",
        "MAESTRO takes undilated convolutions and matrix products alone",
    )
)


def maestro_costs(
    layers: Layers,
    accelerators: SpatialAccelerators | Mapping[str, ArrayLike],
    faults: NDArray[np.int64],
) -> LayerCosts:
    """What `dataflow.evaluate` gives under `compat="maestro"`, see there.

    Args:
        layers: The layers `[l]`.
        accelerators: Their figures `[a]`.
        faults: Which layers stand for impossible ones, as `possible_layers` says `[l]`.
    """
    columns = _columns(accelerators)
    pes, names = columns["num_pes"], columns["template"]
    known = np.isin(names, TEMPLATES)
    cluster = np.array([CLUSTER_PES.get(name, 1) for name in names.tolist()])
    reason = np.zeros((len(pes), len(layers)), dtype=np.int64)

    def mark(bad: NDArray[np.bool_], code: int) -> None:
        reason[bad & (reason == 0)] = code

    mark(np.broadcast_to((pes == 0)[:, None], reason.shape), _NO_PES)
    mark(np.broadcast_to(~known[:, None], reason.shape), _NO_TEMPLATE)
    high = np.where(names[:, None] == "rs", layers.r, cluster[:, None])
    mark(pes[:, None] < high, _NO_CLUSTER)
    mark(np.broadcast_to(~has_template(layers), reason.shape), _NO_LAYER)

    # What has no result is computed for something that has, and masked.
    able = has_template(layers)
    possible = layers
    if not able.all():
        rows = np.where(able, np.arange(len(layers)), len(layers))
        possible = Layers.concat(layers, linear("", 1, 1)).take(rows)
    tallest = int(possible.r.max(initial=1))
    figures = MaestroAccelerators(
        template=np.where(known, names, TEMPLATES[0]),
        num_pes=np.maximum(pes, np.maximum(np.where(names == "rs", tallest, cluster), 1)),
        noc_bandwidth=columns["noc_bandwidth"],
        noc_latency=columns["noc_latency"],
    )
    table = dict(layer_table(possible, figures))
    mark(table["l1_required_bytes"] > columns["l1_bytes"][:, None], _L1_SMALL)
    mark(table["l2_required_bytes"] > 1024 * columns["l2_kb"][:, None], _L2_SMALL)
    table["macs"] = np.broadcast_to(layers.macs, reason.shape)
    return LayerCosts(table, with_faults(reason, faults))


def _columns(
    accelerators: SpatialAccelerators | Mapping[str, ArrayLike],
) -> dict[str, NDArray[Any]]:
    """`_COLUMNS` `[a]`, templates by MAESTRO's names, buffers infinite where not given."""
    if isinstance(accelerators, SpatialAccelerators):
        given: dict[str, ArrayLike] = {
            "template": np.array(SPATIAL)[accelerators.template],
            "num_pes": accelerators.pes,
            "noc_bandwidth": accelerators.noc_bandwidth / accelerators.word_bytes,
            "l1_bytes": accelerators.l1_bytes,
            "l2_kb": accelerators.l2_kb,
        }
    else:
        given = as_table("an accelerator table", accelerators)
    if "pe_rows" in given and "pe_cols" in given and "num_pes" not in given:
        given["num_pes"] = np.multiply(given.pop("pe_rows"), given.pop("pe_cols"))
    for name in given:
        if name not in _COLUMNS:
            raise unknown_name("accelerator column", name, _COLUMNS)
    missing = [name for name in _COLUMNS[:3] if name not in given]
    if missing:
        raise InputError(
            f"an accelerator table needs the columns {', '.join(missing)}, which it lacks"
        )
    defaults: dict[str, ArrayLike] = {"noc_latency": 1, "l1_bytes": np.inf, "l2_kb": np.inf}
    arrays = {name: np.asarray(values) for name, values in (defaults | given).items()}
    size = max((values.size for values in arrays.values() if values.ndim), default=1)
    for name, values in arrays.items():
        if values.shape not in ((), (size,)):
            raise InputError(f"{name} must be a scalar or have shape ({size},); got {values.shape}")
        if name != "template" and values.dtype.kind not in "iuf":
            raise InputError(f"{name} must hold numbers; got {values.dtype}")
        arrays[name] = np.broadcast_to(values, size)
    if not np.all(arrays["num_pes"] >= 0):
        raise InputError(f"num_pes must be integers >= 0; got {arrays['num_pes'].min()}")
    for name in ("l1_bytes", "l2_kb"):
        if not np.all(arrays[name] >= 0):
            raise InputError(f"{name} must be >= 0; got {arrays[name].min()}")
    for name in np.unique(arrays["template"]).tolist():
        if name not in (*TEMPLATES, *SPATIAL):
            raise unknown_name("template", name, (*TEMPLATES, *_NAMES))
    names = [_NAMES.get(name, name) for name in arrays["template"].tolist()]
    arrays["template"] = np.array(names)
    return arrays
