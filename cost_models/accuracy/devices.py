"""Where networks are trained."""

from __future__ import annotations

from codesign_gym.search_spaces import InputError


def available() -> list[str]:
    """Names of the devices that torch finds here, the CPU first."""
    import torch

    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    apple = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *(["cuda"] if cuda else []), *cuda, *apple]


def check_device(name: str) -> None:
    """Refuse a device that is not there.

    Raises:
        InputError: It names the device and those that are there.
    """
    if name != "cpu" and name not in available():  # torch is not loaded for the CPU alone
        raise InputError(f"device must be one of {', '.join(available())}, got {name!r}")
