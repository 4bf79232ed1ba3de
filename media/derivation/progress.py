"""Reports of progress, limited to as many as somebody may look at: not one for each frame."""

import time
from collections.abc import Callable

REPORT_SECONDS = 0.5


def throttled(report: Callable[[float], None]) -> Callable[[float], None]:
    """``report``, called twice a second at most."""
    due = 0.0

    def call(share: float) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + REPORT_SECONDS
            report(share)

    return call
