"""Limit the rate of progress reports, so that not every frame causes one."""

import time
from collections.abc import Callable

REPORT_SECONDS = 0.5


def throttle_reports(report: Callable[[float], None]) -> Callable[[float], None]:
    """Return a function that calls ``report`` at most twice a second."""
    due = 0.0

    def report_if_due(share: float) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + REPORT_SECONDS
            report(share)

    return report_if_due
