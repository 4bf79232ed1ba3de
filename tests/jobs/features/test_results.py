"""A further feature, `stills` of tests/plugins: served, priced, run, documented; its results are
media.
"""

from pathlib import Path
from uuid import UUID

import pytest
import requests

from jobs import tasks, workflow
from jobs.models import Attempt, Job
from media.deletion import delete_media
from media.models import MediaFile
from media.storage import object_storage
from projects.models import Project
from tests.contract import described
from tests.gpu_tasks.films import make_film
from tests.jobs.features.conftest import error_of, finish

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project(user):
    return Project.objects.create(user=user, name="Film")


@pytest.fixture
def film(bring, project, tmp_path: Path) -> MediaFile:
    return bring(make_film(tmp_path / "interview.mp4"), "video/mp4", project=project)


def test_it_is_priced_by_its_own_tariff(api, film):
    body = {"video_media_id": str(film.pk), "count": 3}
    assert api.post("/jobs/stills/estimate", body, format="json").json()["credits"] == 9


def test_it_is_documented():
    schema = described()
    body = schema["paths"]["/jobs/stills"]["post"]["requestBody"]["content"]["application/json"]
    named = body["schema"]["$ref"].rsplit("/", 1)[-1]
    properties = schema["components"]["schemas"][named]["properties"]
    own = {"video_media_id", "count", "seed"}
    assert set(properties) == own | {"project_id", "quote_id", "callback_url"}
    assert (properties["count"]["minimum"], properties["count"]["maximum"]) == (1, 4)


def test_what_it_makes_is_media_of_the_project(run_job, api, film, project, user):
    job = run_job("stills", video_media_id=str(film.pk), count=2, seed=7)
    assert (job["status"], job["credits_cost"]) == ("completed", 6)
    output = job["output_data"]
    assert (output["width"], output["height"], output["seed"]) == (160, 90, 7)
    assert [media["name"] for media in output["media"]] == [
        "interview, still 1.png",
        "interview, still 2.png",
    ]
    for media in output["media"]:
        body = api.get(f"/media/{media['id']}").json()
        assert (body["type"], body["mime_type"]) == ("image", "image/png")
        assert body["status"] == "ready"
        assert body["project_id"] == str(project.pk)
        assert body["metadata"]["width"] == 160
        credentials = body["origin"].pop("credentials")
        assert credentials["status"] == "signed"
        assert credentials["digital_source_type"].endswith("/composite")
        assert body["origin"] == {
            "job_id": job["id"],
            "type": "stills",
            "engine": {"name": "draft", "model": "stills"},
            "media_ids": [str(film.pk)],
        }
        content = requests.get(media["download_url"], timeout=10).content
        assert content.startswith(b"\x89PNG")
        assert len(content) == body["file_size_bytes"] == media["file_size_bytes"]
    listed = api.get(f"/projects/{project.pk}/media").json()["media"]
    assert {entry["id"] for entry in listed} == {str(film.pk), *(m["id"] for m in output["media"])}


def test_a_named_project_gets_it_and_another_users_is_refused(run_job, api, film, user, make_user):
    other = Project.objects.create(user=user, name="Other")
    job = run_job("stills", video_media_id=str(film.pk), project_id=str(other.pk))
    media_file = MediaFile.objects.get(pk=job["output_data"]["media"][0]["id"])
    assert media_file.project_id == other.pk
    assert media_file.name == "interview, still.png"
    theirs = Project.objects.create(user=make_user(), name="Theirs")
    body = {"video_media_id": str(film.pk), "project_id": str(theirs.pk)}
    assert api.post("/jobs/stills", body, format="json").status_code == 404


def test_without_a_seed_one_is_made_from_the_job(run_job, film):
    job = run_job("stills", video_media_id=str(film.pk))
    assert job["output_data"]["seed"] == UUID(job["id"]).int % 2**31


def test_delivered_twice_it_is_stored_once(run_job, film):
    job_id = run_job("stills", video_media_id=str(film.pk))["id"]
    job = Job.objects.get(pk=job_id)
    before = MediaFile.objects.count()
    workflow._deliver_result(Attempt.objects.select_related("job").get(job=job))
    assert MediaFile.objects.count() == before == 2


def test_a_project_deleted_meanwhile_leaves_it_with_the_user(api, film, user, project):
    other = Project.objects.create(user=user, name="Short-lived")
    body = {"video_media_id": str(film.pk), "project_id": str(other.pk)}
    job_id = UUID(api.post("/jobs/stills", body, format="json").json()["job_id"])
    Project.objects.filter(pk=other.pk).delete()
    finish(job_id)
    job = Job.objects.get(pk=job_id)
    assert job.status == "completed"
    assert MediaFile.objects.get(pk=job.output_data["media"][0]["id"]).project_id is None


def test_a_deleted_result_has_no_download(run_job, api, film, user):
    job = run_job("stills", video_media_id=str(film.pk))
    [media] = job["output_data"]["media"]
    key = MediaFile.objects.get(pk=media["id"]).r2_key
    delete_media(user_id=user.pk, media_id=UUID(media["id"]))
    [media_body] = api.get(f"/jobs/{job['id']}").json()["output_data"]["media"]
    assert media_body["download_url"] is None
    assert not Path(object_storage().probe_source(key)).exists()


@pytest.mark.parametrize("content", [b"", b"no picture at all" * 10])
def test_a_result_that_is_not_what_was_promised_is_a_models_error(api, film, content):
    body = {"video_media_id": str(film.pk)}
    job_id = api.post("/jobs/stills", body, format="json").json()["job_id"]
    finish_with(UUID(job_id), content)
    assert error_of(job_id) == (
        "MODEL_ERROR",
        "The model returned a file of the wrong type.",
    )
    assert MediaFile.objects.count() == 1


def finish_with(job_id: UUID, content: bytes) -> None:
    """As `finish`, but another content lies where the engine has put its result."""
    from jobs.calls.backends import local
    from jobs.orchestrator import admission

    admission.admit_all()
    attempt = Attempt.objects.get(job_id=job_id)
    workflow.prepare([attempt.pk])
    workflow.dispatch([attempt.pk])
    attempt.refresh_from_db()
    local.run(UUID(attempt.call_id))
    [written] = attempt.payload["results"]
    object_storage().write(written["write"]["key"], content, "image/png")
    tasks.collect.apply(args=[[str(attempt.pk)]])
