"""Performance cloning as a client has it done: its price, its refusals, and its film."""

from pathlib import Path

import pytest

from gpu_tasks.performance_cloning.contract import MAX_SECONDS
from media.models import MediaFile
from tests.gpu_tasks.lip_sync.calls import filmed
from tests.gpu_tasks.mediakit.faces.portrait import PORTRAIT
from tests.gpu_tasks.performance_cloning.acting import acted, opening
from tests.gpu_tasks.recordings import RATE, tone, write_sound

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def portrait(bring) -> MediaFile:
    return bring(PORTRAIT, "image/png")


@pytest.fixture
def driving(bring, tmp_path: Path) -> MediaFile:
    return bring(filmed(tmp_path / "acting.mp4", acted(mouth=opening, frames=5)), "video/mp4")


@pytest.mark.parametrize(
    ("seconds", "credits"), [(0.2, 20), (10, 20), (10.001, 40), (MAX_SECONDS, 40)]
)
def test_it_costs_by_ten_started_seconds_of_the_driving_film(
    api, portrait, driving, seconds: float, credits: int
):
    driving.duration_ms = round(seconds * 1000)
    driving.save()
    body = {"source_media_id": str(portrait.pk), "driving_media_id": str(driving.pk)}
    estimate = api.post("/jobs/performance-cloning/estimate", body, format="json").json()
    assert estimate["credits"] == credits


def test_the_portrait_becomes_a_film(run_job, api, portrait, driving):
    job = run_job(
        "performance-cloning",
        source_media_id=str(portrait.pk),
        driving_media_id=str(driving.pk),
        seed=5,
    )
    assert (job["status"], job["credits_cost"]) == ("completed", 20)
    output = job["output_data"]
    assert (output["width"], output["height"], output["frames"]) == (200, 200, 5)
    [media] = output["media"]
    assert media["name"] == "portrait, performance.mp4"
    body = api.get(f"/media/{media['id']}").json()
    assert (body["type"], body["mime_type"]) == ("video", "video/mp4")
    assert body["origin"]["media_ids"] == [str(portrait.pk), str(driving.pk)]


def test_a_driving_film_past_the_limit_is_refused_before_it_costs(api, portrait, driving):
    driving.duration_ms = MAX_SECONDS * 1000 + 1
    driving.save()
    body = {"source_media_id": str(portrait.pk), "driving_media_id": str(driving.pk)}
    answer = api.post("/jobs/performance-cloning", body, format="json")
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["field"], error["code"]) == ("driving_media_id", "too_long")
    assert error["detail"] == "The file is too long: at most 20 seconds are allowed. Cut it first."


def test_a_picture_does_not_act_and_a_recording_has_no_face(api, bring, portrait, tmp_path: Path):
    path = write_sound(tmp_path / "speech.wav", "pcm_s16le", tone(0.4), rate=RATE)
    sound = bring(path, "audio/wav")
    for source, driving in ((portrait, portrait), (sound, portrait)):
        body = {"source_media_id": str(source.pk), "driving_media_id": str(driving.pk)}
        answer = api.post("/jobs/performance-cloning", body, format="json")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["code"] == "wrong_media_type"


def test_a_seed_is_a_number_in_its_range(api, portrait, driving):
    body = {"source_media_id": str(portrait.pk), "driving_media_id": str(driving.pk)}
    answer = api.post("/jobs/performance-cloning", body | {"seed": 2**31}, format="json")
    assert answer.status_code == 400
