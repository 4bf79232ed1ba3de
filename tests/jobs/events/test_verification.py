"""`manage.py events_verify` finds whatever is off with the numbered log."""

import json
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from jobs import lifecycle
from jobs.audit import event_verification as verification
from jobs.models import Event, Job
from tests.jobs.walk import number_all

SPOILT = [
    ("seq_has_no_gaps", "DELETE FROM user_events WHERE seq = 2"),
    ("hash_chains", "UPDATE user_events SET type = 'job.started' WHERE seq = 2"),
    ("hash_chains", "UPDATE user_events SET data = data || '{\"credits_cost\": 0}' WHERE seq = 1"),
    ("hash_chains", "UPDATE user_events SET created_at = now() WHERE seq = 3"),
    ("position_rises", "UPDATE user_events SET position = 99 WHERE seq = 2"),
    ("head_is_the_last", "DELETE FROM user_events WHERE seq = 4"),
    ("head_is_the_last", "DELETE FROM event_heads"),
    ("ends_are_told", "DELETE FROM user_events WHERE seq = 4"),
    (
        "ends_are_told",
        "INSERT INTO job_events (job_id, user_id, type, data)"
        " SELECT id, user_id, status, '{}' FROM jobs WHERE status = 'cancelled'",
    ),
    (
        "none_is_set_aside",
        "INSERT INTO job_events (job_id, user_id, type, data, set_aside_at)"
        " SELECT id, user_id, 'retrying', '{}', now() FROM jobs WHERE status = 'cancelled'",
    ),
]


@pytest.fixture
def job(make_job: Callable[..., Job]) -> Job:
    """One of three jobs, which was cancelled: four events."""
    jobs = [make_job() for _ in range(3)]
    lifecycle.cancel(job_id=jobs[2].pk, by="user")
    number_all()
    return jobs[2]


@pytest.mark.django_db
def test_a_whole_log_has_no_findings(job: Job) -> None:
    report = verification.check()
    assert (report.events, report.users, report.waiting) == (4, 1, 0)
    assert not report.findings


@pytest.mark.django_db
@pytest.mark.parametrize("page", [1, 3, 2000])
@pytest.mark.parametrize(("rule", "statement"), SPOILT)
def test_each_wrong_is_found(
    job: Job, rule: str, statement: str, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "ROWS_PER_PAGE", page)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount > 0
    report = verification.check()
    assert report.broken[rule] > 0
    assert rule in {finding.rule for finding in report.findings}
    assert {finding.user_id for finding in report.findings} == {job.user_id}


@pytest.mark.django_db
def test_findings_beyond_the_limit_are_counted(job: Job) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE user_events SET created_at = now()")
    report = verification.check(limit=1)
    assert report.broken["hash_chains"] == 4
    assert len(report.findings) == 1


@pytest.mark.django_db(transaction=True)
def test_the_command_prints_and_fails(make_job: Callable[..., Job]) -> None:
    job = make_job()
    number_all()
    make_job()
    out = StringIO()
    call_command("events_verify", "--json", stdout=out)
    report = json.loads(out.getvalue())
    assert (report["ok"], report["events"], report["waiting"]) == (True, 1, 1)

    Event.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE user_events SET seq = 7")
    out = StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("events_verify", stdout=out)
    assert "head_is_the_last" in out.getvalue()
    assert str(job.user_id) in out.getvalue()
