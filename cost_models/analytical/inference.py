"""What every model of a network on an accelerator gives, so that any of them replaces any."""

from __future__ import annotations

from codesign_gym.cost_models.metrics import Metric

INFERENCE_METRICS = (
    Metric("latency_ms", "ms", "min", "one inference at 1 GHz"),
    Metric("energy_uj", "uJ", "min", "arithmetic, memories and DRAM of one inference"),
    Metric("area_mm2", "mm2", "min", "processing elements and memories at 45 nm"),
    Metric("dram_mb", "MB", "min", "DRAM traffic of one inference, 1e6 bytes"),
    Metric("utilization_pct", "%", "max", "MACs per processing element and cycle"),
)
