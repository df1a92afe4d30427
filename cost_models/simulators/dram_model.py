"""The DRAM simulator as a cost model of memory controllers."""

from __future__ import annotations

import json
from pathlib import Path

from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metrics
from codesign_gym.cost_models.simulators.dram import DRAM_METRICS, simulate
from codesign_gym.cost_models.simulators.dram_parts import get_part
from codesign_gym.cost_models.simulators.dram_traces import Trace, read_trace
from codesign_gym.cost_models.simulators.dram_workloads import WORKLOADS, make_trace
from codesign_gym.search_spaces import Designs, dram_controller
from codesign_gym.search_spaces.errors import unknown_name


class DramModel(CostModel):
    """Time, latency, energy and power of a trace under a memory controller.

    Args:
        trace: A generated workload's name, see `WORKLOADS`, a trace file, or a trace.
        part: A part's name, see `PARTS`.
        threads: Simulations that run at a time.
    """

    space = dram_controller()
    metrics = DRAM_METRICS
    formats = ("dramsys",)
    source = "DRAMSys 4 (Steiner et al., SAMOS 2020), clock for clock; DRAMPower's energies"

    def __init__(
        self, trace: str | Path | Trace = "cloud-1", part: str = "DDR3-1600", threads: int = 1
    ) -> None:
        self._part, self._threads = get_part(part), threads
        self._trace = _load(trace)
        self._trace.on(self._part)  # what the part cannot hold is told now
        self.name = f"dram-{self._trace.name}-{self._part.name}"

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs ``[n, 10]``."""
        return simulate(self._trace, designs, self._part, self._threads)

    def export(self, designs: Designs, form: str) -> dict[str, str]:
        """One design ``[1, 10]`` as a controller configuration, ``form`` being ``dramsys``."""
        if form not in self.formats:
            return super().export(designs, form)
        chosen = self.space.decode(designs)[0]
        fixed = {"CmdMux": "Oldest", "PowerDownPolicy": "NoPowerDown", "RefreshManagement": False}
        return {"mcconfig.json": json.dumps({"mcconfig": chosen | fixed}, indent=4) + "\n"}


def _load(trace: str | Path | Trace) -> Trace:
    if isinstance(trace, Trace):
        return trace
    if isinstance(trace, str) and trace in WORKLOADS:
        return make_trace(trace)
    path = Path(trace)
    if not path.is_file() and path.suffix not in (".stl", ".gz"):
        raise unknown_name("memory workload or trace file", str(trace), WORKLOADS)
    return read_trace(path)
