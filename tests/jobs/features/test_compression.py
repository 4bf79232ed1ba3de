"""`POST /jobs/compression`: targets, price, and a smaller file that becomes media."""

import re
from pathlib import Path

import pytest
import requests

from gpu_tasks.compression.compressor import NOTHING_TO_GAIN
from gpu_tasks.compression.contract import MAX_TARGET_BYTES, MIN_TARGET_BYTES
from gpu_tasks.mediakit import ffmpeg
from jobs.models import Job
from media.models import MediaFile
from tests.contract import described
from tests.gpu_tasks.films import make_film
from tests.gpu_tasks.recordings import MONOLOGUE
from tests.jobs.features.conftest import error_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def film(bring, tmp_path: Path) -> MediaFile:
    path = make_film(tmp_path / "holiday.mp4", size="320x180", extra=("-crf", "10"))
    return bring(path, "video/mp4")


@pytest.mark.parametrize(
    ("duration_ms", "credits"), [(None, 1), (1, 1), (300_000, 1), (300_001, 2), (3_600_000, 12)]
)
def test_it_costs_a_credit_for_each_started_five_minutes(
    api, make_media, duration_ms: int | None, credits: int
):
    media = make_media(duration_ms=duration_ms)
    body = {"media_id": str(media.pk), "target": "web"}
    answer = api.post("/jobs/compression/estimate", body, format="json")
    assert answer.json()["credits"] == credits


@pytest.mark.parametrize(
    ("target", "stored"),
    [
        ("web", "web"),
        ("archive", "archive"),
        ("Web", "web"),
        (" ARCHIVE ", "archive"),
        ("25MB", 25_000_000),
        (MIN_TARGET_BYTES, MIN_TARGET_BYTES),
        (MAX_TARGET_BYTES, MAX_TARGET_BYTES),
    ],
)
def test_targets_are_kept_as_the_contract_has_them(api, make_media, target: object, stored: object):
    body = {"media_id": str(make_media().pk), "target": target}
    assert api.post("/jobs/compression", body, format="json").status_code == 202
    assert Job.objects.get().input_params["target"] == stored


@pytest.mark.parametrize(
    "target",
    ["", "small", None, True, 1.5, [], {}, MIN_TARGET_BYTES - 1, MAX_TARGET_BYTES + 1, "1kB"],
)
def test_what_is_no_target_is_refused(api, make_media, target: object):
    body = {"media_id": str(make_media().pk), "target": target}
    answer = api.post("/jobs/compression", body, format="json")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["target"]
    assert not Job.objects.exists()


def test_pictures_are_not_compressed(api, make_media):
    media = make_media(type="image", mime_type="image/png")
    body = {"media_id": str(media.pk), "target": "web"}
    answer = api.post("/jobs/compression", body, format="json")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "wrong_media_type"


def test_a_target_is_documented_as_word_or_number():
    [target] = [
        first["properties"]["target"]
        for name, first in described()["components"]["schemas"].items()
        if name.startswith("CompressionParameters")
    ]
    words, number = target["oneOf"]
    assert number == {
        "type": "integer",
        "minimum": MIN_TARGET_BYTES,
        "maximum": MAX_TARGET_BYTES,
    }
    assert words["type"] == "string"
    for text in ("web", "archive", "25MB", "25 MiB", "700 kib", "1.5gb", "25000000", " 1 GB "):
        assert re.search(words["pattern"], text)
    for refused in ("", "small", "webs", "25 M", "25 TB", "-1", "1e9", "MB", "1.2345678MB"):
        assert not re.search(words["pattern"], refused)


@pytest.mark.parametrize("target", ["web", "archive", 40_000])
def test_a_smaller_film_becomes_media(run_job, film: MediaFile, target: object):
    job = run_job("compression", media_id=str(film.pk), target=target)
    assert job["status"] == "completed"
    output = job["output_data"]
    [media] = output["media"]
    assert (media["name"], media["mime_type"]) == ("holiday, compressed.mp4", "video/mp4")
    content = requests.get(media["download_url"], timeout=10).content
    assert len(content) == media["file_size_bytes"] == output["size_bytes"]
    assert output["size_bytes"] < output["source_bytes"] == film.file_size_bytes
    assert isinstance(target, str) or output["size_bytes"] <= target
    assert 0.8 < output["ssim"] < 1


def test_a_smaller_recording_becomes_media(run_job, bring, tmp_path: Path):
    ffmpeg.run(["-f", "lavfi", "-i", "sine=duration=3", "-ac", "2", tmp_path / "talk.wav"])
    recording = bring(tmp_path / "talk.wav", "audio/wav")
    job = run_job("compression", media_id=str(recording.pk), target="web")
    [media] = job["output_data"]["media"]
    assert (media["type"], media["name"]) == ("audio", "talk, compressed.m4a")
    assert (job["output_data"]["audio_codec"], job["output_data"]["ssim"]) == ("aac", None)


def test_a_recording_brought_to_a_size_is_what_every_player_knows(run_job, bring, tmp_path: Path):
    ffmpeg.run(["-i", MONOLOGUE, "-b:a", "128k", tmp_path / "voice.mp3"])
    recording = bring(tmp_path / "voice.mp3", "audio/mpeg")
    job = run_job("compression", media_id=str(recording.pk), target="30kb")
    output = job["output_data"]
    assert (output["audio_codec"], output["media"][0]["metadata"]["audio_codec"]) == ("aac", "aac")
    assert output["size_bytes"] <= 30_000


def test_what_cannot_become_smaller_is_refused(run_job, bring, tmp_path: Path):
    source = make_film(
        tmp_path / "film.webm", sound=False, extra=("-c:v", "libvpx", "-b:v", "1k", "-crf", "63")
    )
    film = bring(source, "video/webm")
    job = run_job("compression", media_id=str(film.pk), target="archive")
    assert error_of(job["id"]) == ("INPUT_INVALID", NOTHING_TO_GAIN)


def test_a_size_that_cannot_be_says_which_can(run_job, bring, tmp_path: Path):
    film = bring(make_film(tmp_path / "holiday.mp4", seconds=8), "video/mp4")
    job = run_job("compression", media_id=str(film.pk), target=MIN_TARGET_BYTES)
    code, message = error_of(job["id"])
    assert code == "INPUT_INVALID"
    assert "the least is about" in message


def test_a_codec_goes_with_no_size(api, make_media):
    film = make_media(type="video", mime_type="video/mp4")
    body = {"media_id": str(film.pk), "target": "25MB", "codec": "av1"}
    answer = api.post("/jobs/compression/estimate", body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "codec"
    body["target"] = "archive"
    assert api.post("/jobs/compression/estimate", body, format="json").status_code == 200


def test_a_codec_goes_with_no_sound(api, make_media):
    sound = make_media(type="audio", mime_type="audio/wav")
    body = {"media_id": str(sound.pk), "target": "archive", "codec": "av1"}
    answer = api.post("/jobs/compression", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "media_not_usable")
    [error] = answer.json()["errors"]
    assert (error["field"], error["code"]) == ("codec", "no_pictures")
    del body["codec"]
    assert api.post("/jobs/compression", body, format="json").status_code == 202
