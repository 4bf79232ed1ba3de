"""Lip-sync as a client has it done: its price, its refusals, and the film that it makes."""

from pathlib import Path

import pytest

from gpu_tasks.lip_sync.contract import MAX_SECONDS
from media.models import MediaFile
from projects.models import Project
from tests.gpu_tasks.lip_sync.calls import filmed, nodding
from tests.gpu_tasks.recordings import RATE, tone, write_sound

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def film(bring, user, tmp_path: Path) -> MediaFile:
    project = Project.objects.create(user=user, name="Film")
    path = filmed(tmp_path / "speaker.mp4", nodding(6))
    return bring(path, "video/mp4", project=project)


@pytest.fixture
def sound(bring, tmp_path: Path) -> MediaFile:
    path = write_sound(tmp_path / "speech.wav", "pcm_s16le", tone(0.4), rate=RATE)
    return bring(path, "audio/wav")


@pytest.mark.parametrize(
    ("seconds", "credits"), [(0.4, 15), (30, 15), (30.001, 30), (MAX_SECONDS, 60)]
)
def test_it_costs_by_the_started_half_minute_of_the_recording(
    api, film, sound, seconds: float, credits: int
):
    sound.duration_ms = round(seconds * 1000)
    sound.save()
    body = {"video_media_id": str(film.pk), "audio_media_id": str(sound.pk)}
    estimate = api.post("/jobs/lip-sync/estimate", body, format="json").json()
    assert estimate["credits"] == credits


def test_the_film_says_the_recording_and_lies_beside_the_first(run_job, api, film, sound):
    job = run_job("lip-sync", video_media_id=str(film.pk), audio_media_id=str(sound.pk))
    assert (job["status"], job["credits_cost"]) == ("completed", 15)
    output = job["output_data"]
    assert (output["frames"], output["frames_with_face"], output["duration_ms"]) == (10, 10, 400)
    [media] = output["media"]
    assert media["name"] == "speaker, lip sync.mp4"
    body = api.get(f"/media/{media['id']}").json()
    assert (body["type"], body["mime_type"]) == ("video", "video/mp4")
    assert body["project_id"] == str(film.project_id)
    assert body["metadata"]["has_audio"] is True
    assert body["origin"]["media_ids"] == [str(film.pk), str(sound.pk)]


def test_a_recording_past_the_limit_is_refused_before_it_costs(api, film, sound):
    sound.duration_ms = MAX_SECONDS * 1000 + 1
    sound.save()
    body = {"video_media_id": str(film.pk), "audio_media_id": str(sound.pk)}
    answer = api.post("/jobs/lip-sync", body, format="json")
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["field"], error["code"]) == ("audio_media_id", "too_long")


def test_a_film_without_sound_says_nothing(api, film):
    body = {"video_media_id": str(film.pk), "audio_media_id": str(film.pk)}
    answer = api.post("/jobs/lip-sync", body, format="json")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "no_sound"


def test_a_recording_has_no_lips(api, sound):
    body = {"video_media_id": str(sound.pk), "audio_media_id": str(sound.pk)}
    answer = api.post("/jobs/lip-sync", body, format="json")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "wrong_media_type"
