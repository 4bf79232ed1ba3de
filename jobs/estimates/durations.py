"""Estimate how long jobs take, and when a running one may end, from the latest runs."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

MIN_PACE_PROGRESS = 0.1
"""The progress from which a job's own pace predicts its end better than its price."""
MIN_SECONDS = 0.001
MAX_SECONDS = 7 * 86400.0
"""An upper bound beyond any time limit, so that an estimate stays a valid time."""
MIN_SIGNIFICANT_RUNS = 9
"""Number of runs from which their prices are significant."""
MIN_STANDARD_ERRORS = 3.0
"""Standard errors by which prices and seconds must correlate before prices count."""


@dataclass(frozen=True)
class Run:
    """One completed job, timed from when a machine began with its last attempt."""

    seconds: float
    credits: int
    tenths: tuple[float, ...] = ()
    """Seconds until each tenth of its progress was done, as far as it was reported."""

    def seconds_at(self, progress: float) -> float:
        """Return when the run had this progress, interpolated between its reports."""
        marks = (0.0, *self.tenths, self.seconds)
        index = min(int(progress * 10), len(self.tenths))
        begin, end = index / 10, (index + 1) / 10 if index < len(self.tenths) else 1.0
        share = (progress - begin) / (end - begin)
        return marks[index] + share * (marks[index + 1] - marks[index])


@dataclass(frozen=True)
class RunningJob:
    """A running job, as far as its end depends on it."""

    seconds: float
    """Seconds since a machine began."""
    credits: int
    progress: float
    reported_seconds: float
    """Seconds from when a machine began until the job reported this progress."""


@dataclass(frozen=True)
class Forecast:
    """The seconds since a machine began by which 50 % and 90 % of such jobs end."""

    p50: float
    p90: float | None
    """None if too few runs took so long."""


@dataclass(frozen=True)
class History:
    """The last completed jobs of a feature, and the expected time of its declaration."""

    runs: Sequence[Run]
    expected_seconds: float

    @cached_property
    def _regression_line(self) -> tuple[float, float]:
        """Return the seconds at no price, and per credit; (1, 0) if it may be chance."""
        if len(self.runs) < MIN_SIGNIFICANT_RUNS:
            return 1.0, 0.0
        prices, seconds = zip(*((run.credits, run.seconds) for run in self.runs), strict=True)
        try:
            correlation = statistics.correlation(prices, seconds)
        except statistics.StatisticsError:  # All have the same price, or the same length.
            return 1.0, 0.0
        if correlation < MIN_STANDARD_ERRORS / math.sqrt(len(self.runs)):
            return 1.0, 0.0
        slope, start = statistics.linear_regression(prices, seconds)
        return (start, slope) if start > 0 else (0.0, 1.0)

    @cached_property
    def usual_seconds(self) -> float:
        """Return the median length of a run."""
        return estimate_quantile([run.seconds for run in self.runs], 0.5) or self.expected_seconds

    def forecast(self, job: RunningJob) -> Forecast:
        """Return when such a job ends; because it still runs, only later times are possible."""
        if job.progress >= MIN_PACE_PROGRESS and job.reported_seconds > 0:
            estimates, fallback = self._estimate_by_pace(job), job.reported_seconds / job.progress
        else:
            estimates, fallback = self._estimate_by_price(job), self.expected_seconds
        later_ends = [seconds for seconds in estimates if seconds > job.seconds]
        p50 = estimate_quantile(later_ends, 0.5) or max(job.seconds, fallback)
        return Forecast(p50, estimate_quantile(later_ends, 0.9))

    def _estimate_by_price(self, job: RunningJob) -> Iterable[float]:
        """Yield what each run would have taken at this job's price."""
        start, slope = self._regression_line
        for run in self.runs:
            yield (
                run.seconds
                * (start + slope * max(1, job.credits))
                / (start + slope * max(1, run.credits))
            )

    def _estimate_by_pace(self, job: RunningJob) -> Iterable[float]:
        """Yield what this job takes if it follows each run from the same progress."""
        for run in self.runs:
            if run.tenths and (elapsed := run.seconds_at(job.progress)) >= MIN_SECONDS:
                yield min(MAX_SECONDS, job.reported_seconds * run.seconds / elapsed)


def estimate_quantile(values: Iterable[float], share: float) -> float | None:
    """Return the value that the next value stays below with this probability.

    Return None if there are too few values: 90 % needs nine.
    """
    sorted_values = sorted(values)
    index = share * (len(sorted_values) + 1) - 1
    if not 0 <= index <= len(sorted_values) - 1:
        return None
    low = sorted_values[math.floor(index)]
    return low + (index % 1) * (sorted_values[math.ceil(index)] - low)
