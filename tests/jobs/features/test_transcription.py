"""What transcription takes, and what its call is told of the price."""

from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.mediakit.audio import RATE
from gpu_tasks.transcription import contract
from jobs.models import Job
from tests.gpu_tasks.recordings import SHORT, lying_sound, write_sound
from tests.jobs.features.conftest import error_of

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/jobs/transcription"


@pytest.mark.parametrize("engine", ["draft", "production"])
@pytest.mark.parametrize("by_speaker", [False, True])
@pytest.mark.parametrize(("beyond", "status"), [(0, 202), (1, 422)])
def test_a_recording_that_takes_too_long_is_not_charged(
    api, make_media, settings, engine, by_speaker, beyond, status
):
    settings.INFERENCE_ENGINES = {"transcription": engine}
    media = make_media(duration_ms=contract.get_longest_ms(engine, by_speaker=by_speaker) + beyond)
    request_data = {"media_id": str(media.pk), "speaker_diarization": by_speaker}
    answer = api.post(URL, request_data, format="json")
    assert answer.status_code == status
    if beyond:
        assert answer.json()["errors"][0]["code"] == "too_long"
        assert not Job.objects.exists()


def test_speakers_are_told_apart_unless_nobody_wants_it(api, make_media, settings):
    settings.INFERENCE_ENGINES = {"transcription": "production"}
    media = make_media(duration_ms=contract.MAX_DURATION_MS["production"])
    answer = api.post(URL, {"media_id": str(media.pk)}, format="json")
    assert answer.status_code == 422


def test_a_language_is_known_in_any_case_of_its_letters(api, make_media):
    body = {"media_id": str(make_media().pk), "language": "EN"}
    assert api.post(URL, body, format="json").status_code == 202
    assert Job.objects.get().input_params["language"] == "en"


def test_a_file_that_lasts_as_long_as_it_says_is_transcribed(run_job, bring):
    media = bring(SHORT, "audio/flac")
    job = run_job("transcription", media_id=str(media.pk))
    assert (job["status"], job["output_data"]["heard"]) == ("completed", "speech")


@pytest.mark.parametrize(("amplitude", "heard"), [(0, "silence"), (33, "sound")])
def test_what_is_heard_is_told_where_there_are_no_words(
    run_job, bring, tmp_path: Path, amplitude: int, heard: str
):
    noise = np.random.default_rng(1).normal(0, amplitude, 2 * RATE).astype(np.int16)
    media = bring(write_sound(tmp_path / "noise.flac", "flac", noise, rate=RATE), "audio/flac")
    job = run_job("transcription", media_id=str(media.pk))
    output_data = job["output_data"]
    assert (output_data["segments_count"], output_data["heard"]) == (0, heard)


def test_a_file_that_lasts_longer_than_it_says_is_refused(run_job, bring, tmp_path: Path):
    media = bring(lying_sound(tmp_path / "lying.flac", SHORT, seconds=0.1), "audio/flac")
    assert media.duration_ms == 100
    job = run_job("transcription", media_id=str(media.pk))
    assert error_of(job["id"]) == ("INPUT_INVALID", "The file lasts longer than it says.")
