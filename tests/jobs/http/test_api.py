"""`GET /jobs`, `GET /jobs/:id`, cancel: one's own, and nobody else's."""

import uuid
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from credits import ledger
from jobs import lifecycle, queries
from jobs.models import Job
from jobs.states import AttemptState
from projects.models import Project
from tests.jobs.walk import bring_to

OUTPUT = {"segments_count": 0, "heard": "silence", "language": "en", "engine": None}
"""Of a transcription whose transcript lies in an object that is gone."""


def test_a_pending_job_shows_its_place_in_the_queue(api, make_job):
    first, second = make_job(), make_job()
    before = timezone.now()
    bodies = [api.get(f"/jobs/{job.pk}").json() for job in (first, second)]
    assert [body["queue_position"] for body in bodies] == [1, 2]
    starts = [datetime.fromisoformat(body.pop("estimated_start_at")) for body in bodies]
    assert before < starts[0] < starts[1]
    assert bodies[0] | {"created_at": None} == {
        "id": str(first.pk),
        "type": "transcription",
        "status": "pending",
        "waits_for": None,
        "progress": 0.0,
        "stage": None,
        "attempt": None,
        "restarted": None,
        "project_id": None,
        "credits_cost": 1,
        "credits_refunded": False,
        "error": None,
        "retry_of": None,
        "retries": [],
        "created_at": None,
        "started_at": None,
        "completed_at": None,
        "queue_position": 1,
        "estimated_end_at": None,
        "estimated_end_p90_at": None,
        "input_params": first.input_params,
        "callback_url": None,
        "output_data": None,
    }


def test_a_job_of_a_class_of_a_newer_release_is_shown(api, make_job):
    make_job()
    job = make_job()
    Job.objects.filter(pk=job.pk).update(gpu_class="Z900")
    assert api.get(f"/jobs/{job.pk}").json()["queue_position"] == 1
    assert str(job.pk) in {listed["id"] for listed in api.get("/jobs").json()["jobs"]}
    assert api.post(f"/jobs/{job.pk}/cancel").status_code == 200


def test_an_error_of_a_newer_release_is_shown(make_job):
    job = make_job()
    job.error_code, job.error_message = "GPU_ON_STRIKE", "The GPU is on strike."
    error = {"code": "GPU_ON_STRIKE", "message": "The GPU is on strike.", "retryable": True}
    assert queries.build_error(job) == error


def test_the_place_in_the_queue_is_counted_once_for_an_answer(api, make_job):
    jobs = [make_job() for _ in range(2)]
    with CaptureQueriesContext(connection) as statements:
        assert api.get(f"/jobs/{jobs[1].pk}").json()["queue_position"] == 2
    counts = [statement for statement in statements if "AS before" in statement["sql"]]
    assert len(counts) == 1


def test_a_completed_job_shows_its_output_with_signed_urls(api, make_job):
    job = make_job()
    bring_to(job, AttemptState.COMPLETED)
    Job.objects.filter(pk=job.pk).update(output_data=OUTPUT | {"result_key": "a/b.json"})
    output = api.get(f"/jobs/{job.pk}").json()["output_data"]
    assert output == OUTPUT | {"result_url": output["result_url"]}
    assert "a/b.json" in output["result_url"]
    assert "signature=" in output["result_url"]


def test_a_failed_job_says_why_and_that_the_credits_came_back(api, make_job):
    job = make_job()
    lifecycle.expire(job_id=job.pk)
    body = api.get(f"/jobs/{job.pk}").json()
    assert (body["status"], body["credits_refunded"]) == ("failed", True)
    assert body["error"] == {
        "code": "DEADLINE_EXCEEDED",
        "message": "The job could not be done in time.",
        "retryable": True,
    }


def test_jobs_of_others_do_not_exist(client_of, make_user, make_job):
    job = make_job()
    stranger = client_of(make_user())
    for answer in (
        stranger.get(f"/jobs/{job.pk}"),
        stranger.post(f"/jobs/{job.pk}/cancel"),
        stranger.get(f"/jobs/{uuid.uuid4()}"),
    ):
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"
    assert stranger.get("/jobs").json()["jobs"] == []
    job.refresh_from_db()
    assert job.status == "pending"


def test_cancel_gives_the_credits_back_once(api, user, make_job):
    job = make_job(minutes=10)
    answers = [api.post(f"/jobs/{job.pk}/cancel") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert (answers[0].json()["status"], answers[1].json()["code"]) == ("cancelled", "job_finished")
    assert ledger.get_balance(user_id=user.pk) == 100


def test_the_list_pages_by_cursor_newest_first(api, make_job):
    jobs = [make_job() for _ in range(5)]
    page = api.get("/jobs", {"limit": 2}).json()
    seen = list(page["jobs"])
    while page["next"]:
        page = api.get(page["next"]).json()
        seen += page["jobs"]
    assert [job["id"] for job in seen] == [str(job.pk) for job in reversed(jobs)]
    assert "output_data" not in seen[0]
    assert page["previous"] is not None


def test_the_list_narrows(api, user, make_job):
    project = Project.objects.create(user=user, name="Film")
    mine, other = make_job(), make_job()
    Job.objects.filter(pk=mine.pk).update(project=project)
    lifecycle.cancel(job_id=other.pk, by="user")
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()

    def ids(**query):
        return {job["id"] for job in api.get("/jobs", query).json()["jobs"]}

    assert ids(status="cancelled") == {str(other.pk)}
    assert ids(project_id=str(project.pk)) == {str(mine.pk)}
    assert ids(type="transcription") == {str(mine.pk), str(other.pk)}
    assert ids(created_after=tomorrow) == set()
    assert ids(created_before=tomorrow) == {str(mine.pk), str(other.pk)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "nonsense"),
        ("status", "\x00"),
        ("project_id", "x"),
        ("created_after", "yesterday"),
    ],
)
def test_a_bad_filter_is_named(api, name, value):
    answer = api.get("/jobs", {name: value})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == name


@pytest.mark.parametrize("cursor", ["x", "====", "\x00", "cD1ub3QtYS1kYXRl", "cD0lMDA="])
def test_a_made_up_cursor(api, cursor):
    answer = api.get("/jobs", {"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


def test_who_sends_none_of_the_choices_is_told_them(api):
    answer = api.post("/jobs/render", {"captions": "burn"}, format="json")
    messages = {error["field"]: error["detail"] for error in answer.json()["errors"]}
    assert messages["captions"] == "burn is not one of: none, burned, embedded."


def test_a_submitted_job_has_the_id_that_it_is_read_by(api, make_media):
    body = {"media_id": str(make_media().pk)}
    submitted = api.post("/jobs/transcription", body, format="json").json()
    assert submitted["id"] == submitted["job_id"]
    assert api.get(f"/jobs/{submitted['id']}").json()["id"] == submitted["id"]
