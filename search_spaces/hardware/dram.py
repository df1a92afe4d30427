"""Memory controllers: the policies and sizes that DRAMSys 4 lets one choose for a DRAM channel.

The parameters and their names are those of DRAMSys (Steiner et al., SAMOS 2020), the values those
of ArchGym (Krishnan et al., ISCA 2023).
"""

from __future__ import annotations

from codesign_gym.search_spaces.parameters import Categorical, Condition, Ordinal
from codesign_gym.search_spaces.space import SearchSpace


def dram_controller() -> SearchSpace:
    """Memory controllers, group ``controller``.

    >>> dram_controller().size, dram_controller().cardinality
    (442368, 166464)
    """
    sizes = tuple(2**i for i in range(8))
    g = "controller"
    refreshed = (Condition("RefreshPolicy", ("AllBank",)),)
    limited = (Condition("Arbiter", ("Fifo", "Reorder")),)
    return SearchSpace(
        "dram-controller",
        (
            Categorical(
                "PagePolicy", ("Open", "OpenAdaptive", "Closed", "ClosedAdaptive"), group=g
            ),
            Categorical("Scheduler", ("Fifo", "FrFcfsGrp", "FrFcfs"), group=g),
            Categorical("SchedulerBuffer", ("Bankwise", "ReadWrite", "Shared"), group=g),
            Ordinal("RequestBufferSize", sizes, unit="requests", group=g),
            Categorical("RespQueue", ("Fifo", "Reorder"), group=g),
            Categorical("RefreshPolicy", ("NoRefresh", "AllBank"), group=g),
            Ordinal("RefreshMaxPostponed", sizes[:4], "refreshes", g, active_when=refreshed),
            Ordinal("RefreshMaxPulledin", sizes[:4], "refreshes", g, active_when=refreshed),
            Categorical("Arbiter", ("Simple", "Fifo", "Reorder"), group=g),
            Ordinal("MaxActiveTransactions", sizes, "requests", g, active_when=limited),
        ),
    )
