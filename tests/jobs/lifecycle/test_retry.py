"""`POST /jobs/:id/retry`: what failed or was cancelled, once more."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import ledger
from credits.models import CreditTransaction
from jobs import lifecycle, queries
from jobs.features import registry
from jobs.features.registry import get_feature
from jobs.models import Event, Job
from jobs.states import AttemptState
from media.models import MediaFile
from projects.models import Project
from tests.jobs.walk import bring_to


def retry(api, job, **headers):
    return api.post(f"/jobs/{job.pk}/retry", headers=headers)


def failed(job):
    lifecycle.expire(job_id=job.pk)
    return job


def cancelled(job):
    lifecycle.cancel(job_id=job.pk, by="user")
    return job


@pytest.mark.parametrize("ended", [failed, cancelled])
def test_it_runs_again_as_a_new_job_that_is_charged(api, user, make_job, ended):
    job = ended(make_job(minutes=10))
    assert ledger.get_balance(user_id=user.pk) == 100
    answer = retry(api, job)
    assert answer.status_code == 202
    again = Job.objects.get(retry_of=job)
    assert answer.json() == {
        "id": str(again.pk),
        "job_id": str(again.pk),
        "status": "pending",
        "credits_cost": 5,
        "waits_for": None,
    }
    assert (again.input_params, again.media_ids) == (job.input_params, job.media_ids)
    assert CreditTransaction.objects.get(job=again).amount == -5
    assert Event.objects.get(job=again).data["by"] == "user"
    job.refresh_from_db()
    assert job.credits_refunded


def test_it_costs_todays_price(api, make_job, monkeypatch):
    job = failed(make_job(minutes=2))
    monkeypatch.setattr(
        type(get_feature("transcription")), "tariff", {"credits": 7, "per_started_ms": 120_000}
    )
    assert retry(api, job).json()["credits_cost"] == 7


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (None, "job_open"),
        (AttemptState.RUNNING, "job_open"),
        (AttemptState.COMPLETED, "job_completed"),
    ],
)
def test_what_has_not_failed_is_not_retried(api, make_job, state, code):
    job = make_job()
    if state:
        bring_to(job, state)
    answer = retry(api, job)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert Job.objects.count() == 1


def test_a_retry_can_be_retried(api, make_job):
    first = failed(make_job())
    second = Job.objects.get(pk=retry(api, first).json()["job_id"])
    assert retry(api, second).json()["code"] == "job_open"
    third = retry(api, failed(second)).json()["job_id"]
    assert Job.objects.get(pk=third).retry_of_id == second.pk


def test_both_jobs_name_each_other(api, make_job, client_of, make_user):
    first = failed(make_job())
    again = [retry(api, first).json()["job_id"] for _ in range(queries.MAX_RETRIES_SHOWN + 1)]
    last = failed(Job.objects.get(pk=again[-1]))
    third = retry(api, last).json()["job_id"]
    links = {
        str(first.pk): (None, again[:0:-1]),
        again[-1]: (str(first.pk), [third]),
        third: (again[-1], []),
    }
    for job_id, output in links.items():
        body = api.get(f"/jobs/{job_id}").json()
        assert (body["retry_of"], body["retries"]) == output
    listed = {job["id"]: job for job in api.get("/jobs?limit=100").json()["jobs"]}
    assert {i: (listed[i]["retry_of"], listed[i]["retries"]) for i in links} == links
    stranger = client_of(make_user())
    assert stranger.get(f"/jobs/{third}").status_code == 404


def test_a_list_asks_no_more_for_more_jobs(api, make_job):
    def asked():
        with CaptureQueriesContext(connection) as queries_made:
            assert api.get("/jobs").status_code == 200
        return len(queries_made)

    retry(api, failed(make_job()))
    few = asked()
    for _ in range(5):
        retry(api, failed(make_job()))
    assert asked() == few


def test_without_credits(api, user, make_job):
    job = failed(make_job(minutes=10))
    assert sum(make_job(minutes=minutes).credits_cost for minutes in [30] * 6 + [12]) == 96
    answer = retry(api, job)
    assert (answer.status_code, answer.json()["required"]) == (402, 5)


def test_what_it_worked_on_is_gone(api, user, make_job):
    job = failed(make_job())
    MediaFile.objects.filter(pk__in=job.media_ids).delete()
    answer = retry(api, job)
    assert (answer.status_code, answer.json()["code"]) == (409, "input_gone")
    assert ledger.get_balance(user_id=user.pk) == 100


def test_its_project_is_gone(api, user, make_media):
    project = Project.objects.create(user=user, name="Film")
    body = {"media_id": str(make_media().pk), "project_id": str(project.pk)}
    job_id = api.post("/jobs/transcription", body, format="json").json()["job_id"]
    job = failed(Job.objects.get(pk=job_id))
    project.delete()
    assert retry(api, job).json()["code"] == "input_gone"


def test_its_feature_is_gone(api, make_job):
    job = failed(make_job())
    Job.objects.filter(pk=job.pk).update(type="phrenology")
    answer = retry(api, job)
    assert (answer.status_code, answer.json()["code"]) == (409, "feature_gone")
    assert "phrenology" not in registry.features()


def test_its_plan_is_gone(api, make_job, monkeypatch):
    job = failed(make_job())
    monkeypatch.setattr(type(get_feature("transcription")), "plan", "pro")
    assert retry(api, job).status_code == 403


def test_jobs_of_others_do_not_exist(client_of, make_user, make_job):
    job = failed(make_job())
    stranger = client_of(make_user(balance=10))
    assert retry(stranger, job).status_code == 404
    assert stranger.post(f"/jobs/{uuid.uuid4()}/retry").status_code == 404
    assert Job.objects.count() == 1


def test_a_key_makes_it_once(api, user, make_job):
    job = failed(make_job())
    first, again = (retry(api, job, **{"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, again.content) == (202, first.content)
    assert Job.objects.filter(retry_of=job).count() == 1
    other = retry(api, failed(make_job()), **{"Idempotency-Key": "k"})
    assert other.json()["code"] == "idempotency_conflict"
