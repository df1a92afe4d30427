"""How much memory tensors take at most while something is computed.

Importing this module imports torch.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not type it
    """Counts the bytes of storages from the operation that makes them to their release."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch does not type it
        self.now, self.peak = 0, 0
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {
            t.untyped_storage()._cdata
            for t in tree_leaves((args, kwargs or {}))
            if isinstance(t, Tensor)
        }
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                key = storage._cdata
                if key not in before and key not in self._known:
                    self._add(key, storage)
        return out

    def _add(self, key: int, storage: torch.UntypedStorage) -> None:
        size = storage.nbytes()

        def release(_: object) -> None:
            del self._known[key]
            self.now -= size

        self._known[key] = weakref.ref(storage, release)
        self.now += size
        self.peak = max(self.peak, self.now)


def peak_bytes(compute: Callable[[], object]) -> int:
    """The most bytes that tensors take at a time that are made while something is computed.

    What was there before (weights, data) is not in it; gradients and activations are.

    Args:
        compute: Is called once.

    >>> peak_bytes(lambda: torch.zeros(1000).add(1).sum())  # 32-bit numbers; the sum at the end
    8000
    """
    with _Ledger() as ledger:
        compute()
    return int(ledger.peak)
