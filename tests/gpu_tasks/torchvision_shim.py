"""Import torchvision where PyTorch has no CUDA: its compiled operators are missing, not used."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch


def import_torchvision() -> None:
    """Import it, or skip the test where it is not installed."""
    register = torch.library.register_fake

    def lenient(name: Any, *args: Any, **options: Any) -> Any:
        if isinstance(name, str) and name.startswith("torchvision::"):
            return _unchanged
        return register(name, *args, **options)

    torch.library.register_fake = lenient
    try:
        with suppress(OSError, RuntimeError):
            pytest.importorskip("torchvision")
    finally:
        torch.library.register_fake = register


def _unchanged(function: Callable[..., Any]) -> Callable[..., Any]:
    return function
