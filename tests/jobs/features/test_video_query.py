"""Video query over HTTP: its price, its limits, and an answer from beginning to end."""

from pathlib import Path
from uuid import uuid4

import pytest

from gpu_tasks.video_query import contract
from jobs.features.registry import get_feature
from jobs.models import Attempt, Job
from media.models import MediaFile, MediaType
from projects import transcript
from projects.models import Project
from tests.gpu_tasks.video_query.calls import known_film

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/jobs/video-query"


@pytest.fixture
def film(bring, user, tmp_path: Path) -> MediaFile:
    project = Project.objects.create(user=user, name="Film")
    return bring(known_film(tmp_path / "film.mp4"), "video/mp4", project=project)


@pytest.fixture
def video(make_media):
    """A film of so many milliseconds, without its object."""

    def make(duration_ms: int) -> MediaFile:
        return make_media(type=MediaType.VIDEO, duration_ms=duration_ms)

    return make


def submit(api, media: MediaFile, question: str = "How long is it?"):
    body = {"video_media_id": str(media.pk), "question": question}
    return api.post(URL, body, format="json")


def heard(film: MediaFile, media_id: str, text: str) -> None:
    segment = {"speaker": "Speaker 1", "start_ms": 1000, "end_ms": 2000, "text": text, "words": []}
    transcript.merge_transcript(
        project_id=film.project_id,
        user_id=film.user_id,
        media_file_id=media_id,
        job_id=uuid4(),
        segments=[segment],
    )


@pytest.mark.parametrize(("duration_ms", "credits"), [(1, 3), (60_000, 3), (60_001, 4)])
def test_it_costs_two_credits_and_one_per_started_minute(api, video, duration_ms, credits):
    assert submit(api, video(duration_ms)).json()["credits_cost"] == credits


def test_an_answer_comes_with_its_evidence(run_job, film):
    question = "How many cuts are there?"
    job = run_job("video-query", video_media_id=str(film.pk), question=question)
    assert (job["status"], job["credits_cost"]) == ("completed", 3)
    output = job["output_data"]
    assert output["answer"] == "There are 3 cuts, at 0:02.0, 0:03.0, 0:05.0, so 4 shots."
    assert [first["start_ms"] for first in output["evidence"]] == [2000, 3000, 5000]
    assert output["engine"]["name"] == "draft"
    assert "media" not in output


def test_the_projects_transcript_is_asked_for_what_is_said(run_job, film):
    heard(film, film.pk, "The lighthouse keeper waves.")
    heard(film, uuid4(), "A lighthouse in another film.")
    job = run_job("video-query", video_media_id=str(film.pk), question="Who says lighthouse?")
    evidence = job["output_data"]["evidence"]
    texts = [first for first in evidence if first["kind"] == "speech"]
    assert [(first["start_ms"], first["detail"]) for first in texts] == [
        (1000, "The lighthouse keeper waves.")
    ]


def test_without_a_transcript_the_call_is_told_of_none(api, film):
    job = Job.objects.get(pk=submit(api, film).json()["job_id"])
    feature = get_feature("video_query")
    attempt = Attempt(job=job, number=1)
    assert feature.prepare(job, attempt)["segments"] is None
    heard(film, film.pk, "x" * (contract.MAX_SEGMENT_TEXT + 1))
    [segment] = feature.prepare(job, attempt)["segments"]
    assert segment["text"] == "x" * contract.MAX_SEGMENT_TEXT


@pytest.mark.parametrize(("length", "status"), [(1, 202), (1000, 202), (1001, 400), (0, 400)])
def test_a_question_has_its_bounds(api, video, length, status):
    assert submit(api, video(1000), "?" * length).status_code == status


@pytest.mark.parametrize("engine", ["draft", "production"])
@pytest.mark.parametrize(("beyond", "status"), [(0, 200), (1, 422)])
def test_a_film_that_takes_too_long_is_not_charged(api, video, settings, engine, beyond, status):
    settings.INFERENCE_ENGINES = {"video_query": engine}
    media = video(contract.MAX_DURATION_MS[engine] + beyond)
    body = {"video_media_id": str(media.pk), "question": "What is it?"}
    answer = api.post(f"{URL}/estimate", body, format="json")
    assert answer.status_code == status
    if beyond:
        assert answer.json()["errors"][0]["code"] == "too_long"
        assert submit(api, media).status_code == status
        assert not Job.objects.exists()


def test_sound_alone_is_no_film(api, make_media):
    assert submit(api, make_media()).json()["errors"][0]["code"] == "wrong_media_type"
