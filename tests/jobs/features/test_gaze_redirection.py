from pathlib import Path

import pytest

from auteur.devstack import tour
from gpu_tasks.gaze_redirection.contract import MAX_SECONDS
from tests.gpu_tasks.films import make_film
from tests.jobs.features.conftest import error_of

pytestmark = pytest.mark.django_db(transaction=True)

SAMPLE = tour.SAMPLES / "portrait.mp4"


@pytest.mark.parametrize(
    ("duration_ms", "credits"),
    [(1, 10), (30_000, 10), (30_001, 20), (int(MAX_SECONDS * 1000), 80)],
)
def test_it_costs_ten_credits_per_started_half_minute(
    api, make_media, duration_ms: int, credits: int
):
    film = make_media(type="video", mime_type="video/mp4", duration_ms=duration_ms)
    answer = api.post(
        "/jobs/gaze-redirection/estimate", {"video_media_id": str(film.pk)}, format="json"
    )
    assert answer.json()["credits"] == credits


def test_longer_films_are_refused_before_they_are_paid(api, make_media):
    film = make_media(type="video", mime_type="video/mp4", duration_ms=MAX_SECONDS * 1000 + 1)
    answer = api.post("/jobs/gaze-redirection", {"video_media_id": str(film.pk)}, format="json")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "too_long"


@pytest.mark.parametrize("target", ["window", ""])
def test_eyes_look_nowhere_else(api, make_media, target: str):
    film = make_media(type="video", mime_type="video/mp4", duration_ms=1000)
    body = {"video_media_id": str(film.pk), "target": target}
    answer = api.post("/jobs/gaze-redirection", body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "target"


def test_the_sample_is_redirected_and_becomes_media(run_job, api, bring):
    film = bring(SAMPLE, "video/mp4")
    job = run_job("gaze-redirection", video_media_id=str(film.pk))
    assert (job["status"], job["credits_cost"]) == ("completed", 10)
    output = job["output_data"]
    assert output["engine"]["name"] == "draft"
    assert output["frames_redirected"] > 0.8 * output["frames"]
    assert output["mean_shift_px"] > 2
    (media,) = output["media"]
    assert media["name"] == "portrait, gaze.mp4"
    body = api.get(f"/media/{media['id']}").json()
    assert (body["type"], body["mime_type"], body["status"]) == ("video", "video/mp4", "ready")
    assert body["duration_ms"] == pytest.approx(film.duration_ms, abs=100)


def test_a_film_without_a_face_is_told_so(run_job, bring, tmp_path: Path):
    film = bring(make_film(tmp_path / "pattern.mp4", sound=False), "video/mp4")
    job = run_job("gaze-redirection", video_media_id=str(film.pk))
    assert job["status"] != "completed"
    code, message = error_of(job["id"])
    assert code == "INPUT_INVALID"
    assert "face" in message
