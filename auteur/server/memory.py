"""Return of memory to the operating system after a large request."""

import ctypes
import gc
from functools import cache
from typing import Any

LARGE_BODY_BYTES = 1024**2
"""The size of a body after which it is worth releasing memory."""


def release_memory() -> None:
    """Collect garbage, and return free pages to the operating system.

    Django REST framework's request is part of a reference cycle that keeps the parsed body alive.
    The allocator keeps free memory between used blocks until it is trimmed.
    """
    gc.collect()  # Objects from before the first request are frozen, so this is fast.
    if (trim := _find_malloc_trim()) is not None:
        trim(0)


@cache
def _find_malloc_trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)  # Only glibc has it.
