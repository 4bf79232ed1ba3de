"""How long jobs take: what the last ones took, and when one that runs may end."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

OWN_PACE_FROM = 0.1
"""The progress from which on a job's own pace says more than its price."""
LEAST_SECONDS = 0.001
LONGEST_SECONDS = 7 * 86400.0
"""Beyond any time limit: what is guessed from times of other machines stays a time."""
MANY = 9
"""Runs from which on their prices say something."""
BEYOND_CHANCE = 3.0
"""Standard errors by which prices and seconds must go together before prices count."""


@dataclass(frozen=True)
class Run:
    """How a completed job went, since a machine had begun with its last attempt."""

    seconds: float
    credits: int
    tenths: tuple[float, ...] = ()
    """Seconds until each tenth of its progress was done, as far as it told."""

    def seconds_at(self, progress: float) -> float:
        """When it had done so much; between what it told, it went on evenly."""
        marks = (0.0, *self.tenths, self.seconds)
        place = min(int(progress * 10), len(self.tenths))
        begin, end = place / 10, (place + 1) / 10 if place < len(self.tenths) else 1.0
        share = (progress - begin) / (end - begin)
        return marks[place] + share * (marks[place + 1] - marks[place])


@dataclass(frozen=True)
class Running:
    """What is known of a job that runs."""

    seconds: float
    """Since a machine began."""
    credits: int
    progress: float
    told_seconds: float
    """Since a machine began until it told this progress."""


@dataclass(frozen=True)
class Foreseen:
    """Seconds since a machine began by which half, and nine in ten, of such jobs end."""

    p50: float
    p90: float | None
    """None where too few took so long to say."""


@dataclass(frozen=True)
class History:
    """The last completed jobs of a feature, and what it takes by its declaration."""

    runs: Sequence[Run]
    expected_seconds: float

    @cached_property
    def _line(self) -> tuple[float, float]:
        """What a run of no price takes, and what each credit adds; (1, 0) if it may be chance."""
        if len(self.runs) < MANY:
            return 1.0, 0.0
        prices, seconds = zip(*((run.credits, run.seconds) for run in self.runs), strict=True)
        try:
            likeness = statistics.correlation(prices, seconds)
        except statistics.StatisticsError:  # all of one price, or as long
            return 1.0, 0.0
        if likeness < BEYOND_CHANCE / math.sqrt(len(self.runs)):
            return 1.0, 0.0
        slope, start = statistics.linear_regression(prices, seconds)
        return (start, slope) if start > 0 else (0.0, 1.0)

    @cached_property
    def usual_seconds(self) -> float:
        """The median run."""
        return quantile([run.seconds for run in self.runs], 0.5) or self.expected_seconds

    def foresee(self, job: Running) -> Foreseen:
        """When such a job ends, given that it still runs: what is possible is later than now."""
        if job.progress >= OWN_PACE_FROM and job.told_seconds > 0:
            guesses, unknown = self._by_pace(job), job.told_seconds / job.progress
        else:
            guesses, unknown = self._by_price(job), self.expected_seconds
        possible = [seconds for seconds in guesses if seconds > job.seconds]
        p50 = quantile(possible, 0.5) or max(job.seconds, unknown)
        return Foreseen(p50, quantile(possible, 0.9))

    def _by_price(self, job: Running) -> Iterable[float]:
        """What each run would have taken at this job's price."""
        start, slope = self._line
        for run in self.runs:
            yield (
                run.seconds
                * (start + slope * max(1, job.credits))
                / (start + slope * max(1, run.credits))
            )

    def _by_pace(self, job: Running) -> Iterable[float]:
        """What this job takes, if it stands where each run stood at the same progress."""
        for run in self.runs:
            if run.tenths and (then := run.seconds_at(job.progress)) >= LEAST_SECONDS:
                yield min(LONGEST_SECONDS, job.told_seconds * run.seconds / then)


def quantile(values: Iterable[float], share: float) -> float | None:
    """What the next value of this kind stays below with that probability.

    None where there are too few to say: 90 % takes nine values.
    """
    ordered = sorted(values)
    place = share * (len(ordered) + 1) - 1
    if not 0 <= place <= len(ordered) - 1:
        return None
    low = ordered[math.floor(place)]
    return low + (place % 1) * (ordered[math.ceil(place)] - low)
