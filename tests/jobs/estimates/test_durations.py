"""When a running job may end: of many jobs, as many as was said have ended by then."""

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.estimates.durations import History, Run, RunningJob, estimate_quantile
from tests.properties import LONG, examples

JOBS = 10_000 if LONG else 250
REMEMBERED = 100
Takes = Callable[[random.Random, int], float]

FEATURES: dict[str, Takes] = {
    "as long whatever its price": lambda rng, _: rng.lognormvariate(3, 0.4),
    "by its price": lambda rng, price: 5 * price * rng.lognormvariate(0, 0.3),
    "by its price after a start": lambda rng, price: (20 + 3 * price) * rng.gauss(1, 0.1),
    "warm or cold": lambda rng, _: rng.choice([2, 60]) + rng.expovariate(1 / 5),
    "without memory": lambda rng, _: rng.expovariate(1 / 30),
}


def make(rng: random.Random, takes: Takes) -> Run:
    """A run whose tenths take unlike times, the last one three times as long."""
    price = math.ceil(rng.lognormvariate(1, 1))
    seconds = max(0.001, takes(rng, price))
    parts = [rng.lognormvariate(0, 0.5) for _ in range(9)]
    whole = sum(parts) + 3 * rng.lognormvariate(0, 0.5)
    tenths = tuple(seconds * sum(parts[: index + 1]) / whole for index in range(9))
    return Run(seconds, price, tenths)


def history(rng: random.Random, takes: Takes) -> History:
    return History([make(rng, takes) for _ in range(REMEMBERED)], expected_seconds=30)


def check(ended: list[tuple[float, float, float | None]]) -> None:
    """Whether of the runs half ended by their p50 and nine in ten by their p90, within 2 % and
    chance.
    """
    for share, index in ((0.5, 1), (0.9, 2)):
        expected = [first for first in ended if first[index] is not None]
        assert len(expected) > 0.95 * len(ended)
        hit = sum(first[0] <= (first[index] or 0) for first in expected) / len(expected)
        assert abs(hit - share) < 0.02 + 4 * math.sqrt(share * (1 - share) / len(expected)), (
            share,
            hit,
        )


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("age", [0.0, 0.5])
def test_of_those_that_still_run_as_many_end_as_was_said(feature: str, age: float) -> None:
    """``age`` is the share of runs that are over when it is asked."""
    rng, takes = random.Random(feature), FEATURES[feature]
    asked_at = estimate_quantile([make(rng, takes).seconds for _ in range(1000)], age) or 0.0
    ended: list[tuple[float, float, float | None]] = []
    while len(ended) < JOBS:
        run = make(rng, takes)
        if run.seconds > asked_at:
            job = RunningJob(asked_at, run.credits, progress=0.0, reported_seconds=0.0)
            end = history(rng, takes).forecast(job)
            ended.append((run.seconds, end.p50, end.p90))
    check(ended)


@pytest.mark.parametrize("progress", [0.1, 0.45, 0.9])
def test_a_jobs_own_pace_is_read_as_that_of_others_was(progress: float) -> None:
    """The last tenth takes far longer than the others: twice the time at 50 % is no end."""
    rng, takes = random.Random(progress), FEATURES["by its price after a start"]
    ended: list[tuple[float, float, float | None]] = []
    for _ in range(JOBS):
        run = make(rng, takes)
        output = run.seconds_at(progress)
        later = min(run.seconds, output + 0.1)
        end = history(rng, takes).forecast(RunningJob(later, run.credits, progress, output))
        ended.append((run.seconds, end.p50, end.p90))
    check(ended)


def test_price_counts_where_runs_go_by_it_and_only_there() -> None:
    rng = random.Random(1)
    by_price, alike = (history(rng, FEATURES[name]) for name in ("by its price", "warm or cold"))
    prices = (1, 20)
    cheap, dear = (by_price.forecast(RunningJob(0, price, 0, 0)).p50 for price in prices)
    assert 10 * cheap < dear < 30 * cheap
    first, other = (alike.forecast(RunningJob(0, price, 0, 0)).p50 for price in prices)
    assert first == other


RUNS = st.builds(
    Run,
    st.floats(0.001, 5e5),
    st.integers(0, 1000),
    st.lists(st.floats(0, 1e6), max_size=9).map(lambda tenths: tuple(sorted(tenths))),
)
JOB = st.builds(
    RunningJob, st.floats(0, 5e5), st.integers(0, 1000), st.floats(0, 1), st.floats(-10, 5e5)
)


@pytest.mark.property
@given(runs=st.lists(RUNS, max_size=30), job=JOB)
@examples(100, 20_000)
def test_no_end_is_in_the_past_and_fewer_than_nine_say_nothing_of_the_ninetieth(
    runs: list[Run], job: RunningJob
) -> None:
    end = History(runs, expected_seconds=30).forecast(job)
    assert end.p50 >= job.seconds
    assert end.p90 is None or (len(runs) >= 9 and end.p90 >= end.p50)


def test_without_experience_it_goes_by_the_declaration_and_then_by_its_own_pace() -> None:
    nothing = History([], expected_seconds=30)
    assert nothing.forecast(RunningJob(5, 1, 0.05, 5)).p50 == 30
    assert nothing.forecast(RunningJob(6, 1, 0.25, 5)).p50 == 20
    assert nothing.forecast(RunningJob(40, 1, 0.25, 5)).p50 == 40
    assert nothing.forecast(RunningJob(5, 1, 0.25, 5)).p90 is None
