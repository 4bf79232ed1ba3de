"""Times and GPU costs in the admin: of attempts, of jobs, of features."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from gpu_tasks.runtime.contract import GpuClass
from jobs.models import Attempt, Job


@pytest.fixture
def page():
    return reverse("job-costs")


@pytest.fixture
def measured(completed):
    """The completed job, run on a cold A10G for twenty seconds."""
    attempt = completed.attempt
    Job.objects.filter(pk=completed.pk).update(gpu_class=GpuClass.A10G)
    Attempt.objects.filter(pk=attempt.pk).update(
        gpu_class=GpuClass.A10G,
        created_at=attempt.dispatched_at - timedelta(seconds=4),
        outcome={
            **attempt.outcome,
            "started_at": (attempt.dispatched_at + timedelta(seconds=3)).isoformat(),
            "load_seconds": 7.5,
            "seconds": 20.0,
        },
    )
    return completed


def test_the_list_shows_what_a_job_cost(root, measured):
    listed = root.list(Job)
    assert "$0.0084" in listed
    assert "A10G" in listed


def test_counting_the_list_adds_no_costs_up(root, measured):
    with CaptureQueriesContext(connection) as queries:
        root.list(Job)
    counts = [query["sql"] for query in queries if "COUNT(*)" in query["sql"]]
    assert counts
    assert not any("job_attempts" in sql for sql in counts)


def test_a_job_shows_what_each_attempt_took_and_cost(root, measured):
    content = root.page(measured)
    for text in ("queue 4.0 s", "start 10.5 s (loading 7.5 s)", "run 20.0 s", "$0.0084"):
        assert text in content


def test_a_job_without_outcome_has_dashes(root, job):
    text = root.page(job)
    assert "start -" in text
    assert "run -" in text


def test_the_summary_has_a_row_for_each_feature(root, measured, page):
    text = root.client.get(page).content.decode()
    assert "?type=transcription" in text
    for cell in ("A10G", "4.0 s", "10.5 s", "20.0 s", "100%", "$0.0084", "$0.000306"):
        assert f"<td>{cell}</td>" in text


def test_the_summary_of_nothing(root, page):
    assert "No job has been completed yet." in root.client.get(page).content.decode()


def test_the_list_of_jobs_leads_to_it(root, job, page):
    assert f'href="{page}"' in root.list(Job)


def test_who_may_not_see_jobs_does_not_see_it(staff_with, user, browser_of, page):
    assert staff_with("credits.view_credits").client.get(page).status_code == 403
    assert browser_of(user).client.get(page).status_code == 302
    allowed = staff_with("jobs.view_job")
    assert allowed.client.get(page).status_code == 200
    assert allowed.client.post(page).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_figures_that_take_too_long_are_given_up(root, page):
    other = connection.copy()
    other.set_autocommit(False)
    other.cursor().execute("LOCK TABLE job_attempts")
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
    try:
        assert root.client.get(page).status_code == 503
    finally:
        other.close()
        connection.close()
