"""Memory that goes back to the system after a large request."""

import ctypes
import gc
from functools import cache
from typing import Any

LARGE_BODY_BYTES = 1024**2
"""A request whose body has so much leaves memory behind that is worth giving back."""


def give_back() -> None:
    """Free what cycles hold of requests that have ended, and return free pages to the system.

    A request of Django REST framework is a cycle that holds what its body was parsed into, and
    free memory between blocks in use stays with the process unless it is asked to return it.
    """
    gc.collect()  # what was there before the first request is frozen, and not looked at
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
