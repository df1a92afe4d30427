"""A workload and a systolic accelerator as the input files of SCALE-Sim 3.0, to check it there.

Layers are written as the matrix products that they are computed by, one group each, since that is
what the tool simulates too. Run them with::

    python -m scalesim.scale -c scale.cfg -t topology.csv -l layout.csv -i gemm -p results

The tool's COMPUTE_REPORT and DETAILED_ACCESS_REPORT then hold the figures that
`systolic.layer_table` gives under ``compat="scalesim"``.
"""

from __future__ import annotations

import re

import numpy as np

from codesign_gym.cost_models.analytical.systolic_arrays import SystolicArrays
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.search_spaces.errors import InputError
from codesign_gym.search_spaces.hardware.systolic import DATAFLOWS

_CONFIG = """\
[general]
run_name = codesign

[architecture_presets]
ArrayHeight : {rows}
ArrayWidth : {cols}
IfmapSramSzkB : {ifmap_kb}
FilterSramSzkB : {filter_kb}
OfmapSramSzkB : {ofmap_kb}
IfmapOffset : 0
FilterOffset : 1000000000
OfmapOffset : 2000000000
Bandwidth : {bandwidth}
Dataflow : {dataflow}
MemoryBanks : 1
ReadRequestBuffer : 64
WriteRequestBuffer : 64

[layout]
IfmapCustomLayout : False
IfmapSRAMBankBandwidth : 10
IfmapSRAMBankNum : 10
IfmapSRAMBankPort : 2
FilterCustomLayout : False
FilterSRAMBankBandwidth : 10
FilterSRAMBankNum : 10
FilterSRAMBankPort : 2

[sparsity]
SparsitySupport : false
SparseRep : ellpack_block
OptimizedMapping : false
BlockSize : 8
RandomNumberGeneratorSeed : 40

[run_presets]
InterfaceBandwidth : CALC
UseRamulatorTrace : False
"""


def scalesim_files(layers: Layers, arrays: SystolicArrays) -> dict[str, str]:
    """``scale.cfg``, ``topology.csv`` and ``layout.csv``, each with its text.

    Args:
        layers: The layers; pooling and elementwise ones, which the tool does not know, are left
            out.
        arrays: One accelerator, with whole kB of SRAM.

    Raises:
        InputError: There is not exactly one accelerator, or an SRAM is no whole number of kB.
    """
    if len(arrays) != 1:
        raise InputError(f"SCALE-Sim simulates one accelerator at a time, got {len(arrays)}")
    sizes = {
        name: float(getattr(arrays, name)[0]) for name in ("ifmap_kb", "filter_kb", "ofmap_kb")
    }
    for name, size in sizes.items():
        if size % 1:
            raise InputError(f"SCALE-Sim takes whole kB of SRAM: {name} is {size}")
    words = int(arrays.word_bytes[0])
    config = _CONFIG.format(
        rows=int(arrays.rows[0]),
        cols=int(arrays.cols[0]),
        dataflow=DATAFLOWS[int(arrays.dataflow[0])],
        bandwidth=max(1, int(arrays.dram_gbps[0] / words)),
        # The tool's kB are thousands of words.
        **{name: max(1, int(size) // words) for name, size in sizes.items()},
    )
    m, k, n, _ = layers.gemm_shape()
    names = [re.sub(r"[^\w.]", "_", name).replace("DP", "Dp") for name in layers.name]
    rows = [
        f"{i}_{names[i]},{m[i]},{n[i]},{k[i]}," for i in np.flatnonzero(layers.multiplies).tolist()
    ]
    # The tool wants a layout of every layer and, without custom layouts, makes no use of it.
    layouts = [f"{row.split(',')[0]}," + "1," * 20 for row in rows]
    return {
        "scale.cfg": config,
        "topology.csv": "\n".join(["Layer,M,N,K,", *rows, ""]),
        "layout.csv": "\n".join(["Layer name," + "factor," * 20, *layouts, ""]),
    }
