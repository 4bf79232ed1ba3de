"""Progress is told as often as somebody may look, not with each frame."""

import time
from collections.abc import Callable

TELL_SECONDS = 0.5


def now_and_then(tell: Callable[[float], None]) -> Callable[[float], None]:
    """``tell``, heard twice a second at most."""
    due = 0.0

    def told(share: float) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + TELL_SECONDS
            tell(share)

    return told
