"""The most telling faults; `make chaos` runs all of them."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.conf import settings

from tests.chaos import audit, clocks, restore, strikes
from tests.chaos.faults import BOUNDED, WITHOUT_REPAIR, faults_of
from tests.chaos.scenario import run, table
from tests.chaos.stack import ChaosStack
from tests.chaos.workload import BRIEF_SECONDS
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("chaos")

JOBS = 16
REPAIR_SECONDS = 30.0
BUSY_JOBS = 12
BUSY_SECONDS = 8.0
REDIS_AWAY_SECONDS = 30.0
LOST_SECONDS = 5.0


@pytest.mark.parametrize("name", BOUNDED)
def test_no_job_and_no_credit_is_lost(stack: ChaosStack, name: str) -> None:
    report = run(stack, faults_of("local")[name], JOBS)
    assert report.is_clean, f"{report}\n{table([report])}"
    assert report.jobs == JOBS
    assert report.recoveries, "no job was open when the fault struck"


def test_a_busy_machine_loses_no_call(stack: ChaosStack) -> None:
    """The short form: `make chaos` is busy for longer."""
    fault = replace(
        faults_of("local")["ten busy processes for each core"],
        strike=lambda stack: strikes.starve(stack, BUSY_SECONDS),
    )
    report = run(stack, fault, BUSY_JOBS)
    assert report.is_clean, f"{report}\n{table([report])}"
    assert report.jobs == BUSY_JOBS
    assert report.recoveries, "no call ran when the machine became busy"


SHORT: dict[str, Callable[[ChaosStack], float]] = {
    "redis_away_long": lambda stack: strikes.remove_redis(stack, REDIS_AWAY_SECONDS),
    "clock_ahead": clocks.jump_ahead,
}
"""Faults with strikes as short as they may be."""


@pytest.mark.parametrize("name", SHORT)
def test_no_job_and_no_credit_is_lost_by_a_short_form(stack: ChaosStack, name: str) -> None:
    fault = replace(faults_of("local")[name], strike=SHORT[name], submission_seconds=6.0)
    if name == "clock_ahead":
        fault = replace(fault, begin=lambda stack: clocks.start_orchestrators(stack, 0.0))
    if obstacle := fault.find_obstacle():
        pytest.skip(obstacle)
    report = run(stack, fault, JOBS)
    assert report.is_clean, f"{report}\n{table([report])}"
    assert report.jobs == JOBS
    assert report.recoveries, "no job was open when the fault struck"


def test_a_restore_loses_the_jobs_of_the_lost_time_and_nothing_else(stack: ChaosStack) -> None:
    fault = replace(
        faults_of("local")["restore_a_minute_ago"],
        strike=lambda stack: restore.restore_a_minute_ago(stack, LOST_SECONDS),
        submission_seconds=40.0,
    )
    report = run(stack, fault, JOBS)
    assert report.is_clean, f"{report}\n{table([report])}"
    assert JOBS - report.jobs >= restore.LOST_JOBS


def test_redis_is_away_for_longer_than_a_brief_job_may_run() -> None:
    assert BRIEF_SECONDS < REDIS_AWAY_SECONDS < strikes.REDIS_AWAY_SECONDS


def test_a_worker_is_stopped_for_longer_than_it_may_be_silent() -> None:
    assert strikes.LONGER_THAN_A_LEASE > settings.WORKER_LEASE_SECONDS


def test_without_the_repair_jobs_are_lost_and_with_it_they_are_found(stack: ChaosStack) -> None:
    report = run(stack, WITHOUT_REPAIR, JOBS)
    assert report.lost
    assert not report.doubled

    def open_jobs() -> int:
        with stack.database() as database:
            counted = database.execute(
                "SELECT count(*) FROM jobs WHERE status <> ALL(%s)", [list(audit.ENDED)]
            ).fetchone()
        assert counted is not None
        return int(counted[0])

    assert open_jobs() == len(report.lost)
    stack.heal()
    until(lambda: open_jobs() == 0, REPAIR_SECONDS)


def test_the_books_are_right_after_all_that(stack: ChaosStack) -> None:
    assert "Everything adds up" in stack.manage("ledger_verify")
