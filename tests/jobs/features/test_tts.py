"""Speech as a job: its parameters and price, and the whole way to media that can be heard."""

import bisect
import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import requests
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from gpu_tasks.runtime.errors import EngineError
from gpu_tasks.tts.contract import MAX_CHARACTERS, MAX_SPEED, MIN_SPEED, check_stock_voice
from jobs.features.registry import get_feature
from jobs.models import Job
from media.consents import removal_worker
from media.consents.models import ConsentKind
from media.consents.records import record_consent
from media.consents.revocation import revoke_consent
from media.models import MediaFile, MediaStatus, MediaType, VoiceClone
from media.storage import object_storage
from projects.models import Project
from tests.gpu_tasks.recordings import MONOLOGUE
from tests.jobs.features.conftest import error_of, finish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("tts")]


@pytest.fixture
def voice(user: User, signed_urls: None) -> VoiceClone:
    """A confirmed voice with its sample."""
    key = f"users/{user.pk}/voices/{uuid.uuid4()}/sample.ogg"
    object_storage().write(key, MONOLOGUE.read_bytes(), "audio/ogg")
    return VoiceClone.objects.create(
        user=user,
        name="Mine",
        status=MediaStatus.READY,
        sample_r2_key=key,
        consent_statement="Yes.",
        consented_at=timezone.now(),
    )


def refused(api: APIClient, **body: Any) -> dict[str, Any]:
    answer = api.post("/jobs/tts", {"text": "Hello"} | body, format="json")
    assert answer.status_code == 400, answer.content
    assert not Job.objects.exists()
    [error] = answer.json()["errors"]
    return dict(error)


def test_a_text_becomes_media(run_job: Callable[..., dict[str, Any]], api: APIClient, user: User):
    project = Project.objects.create(user=user, name="Film")
    job = run_job("tts", text="Good morning. How are you?", project_id=str(project.pk))
    assert (job["status"], job["credits_cost"]) == ("completed", 2)
    output = job["output_data"]
    [media] = output["media"]
    assert (output["sample_rate"], output["characters"]) == (24_000, 26)
    assert output["engine"]["name"] == "draft"
    assert media["name"] == "Good morning. How are you, speech.wav"
    assert (media["type"], media["mime_type"]) == (MediaType.AUDIO, "audio/wav")
    assert media["duration_ms"] == pytest.approx(output["duration_ms"], abs=2)
    heard = requests.get(media["download_url"], timeout=10)
    assert heard.content.startswith(b"RIFF")
    assert MediaFile.objects.get(pk=media["id"]).project_id == project.pk


def test_a_voice_of_ones_own_for_as_long_as_it_may_be_used(
    run_job: Callable[..., dict[str, Any]], voice: VoiceClone
):
    job = run_job("tts", text="Good morning.", voice_id=str(voice.pk), speed=2)
    assert job["status"] == "completed"
    assert job["output_data"]["duration_ms"] < 1500
    media_file = MediaFile.objects.get()
    assert media_file.origin["voice_ids"] == [str(voice.pk)]
    consent = record_consent(
        user_id=voice.user_id, kind=ConsentKind.VOICE, subject="Ann", voice_id=voice.pk
    )
    revoke_consent(consent=consent)
    removal_worker.run_removal(consent.pk)
    assert not MediaFile.objects.exists()
    assert not VoiceClone.objects.exists()
    assert object_storage().list_objects(f"users/{voice.user_id}/") == []


def test_a_voice_deleted_meanwhile_ends_the_job(api: APIClient, voice: VoiceClone):
    body = {"text": "Good morning.", "voice_id": str(voice.pk)}
    job_id = api.post("/jobs/tts", body, format="json").json()["job_id"]
    assert api.delete(f"/voices/{voice.pk}").json()["code"] == "voice_in_use"
    voice.delete()  # as nobody but staff with SQL could
    finish(UUID(job_id))
    assert error_of(job_id) == ("INPUT_INVALID", "The voice has been deleted.")


def test_another_users_voice(
    api: APIClient, voice: VoiceClone, client_of: Callable[[User], APIClient], make_user: Any
):
    stranger = client_of(make_user(balance=10))
    body = {"text": "Hello", "voice_id": str(voice.pk)}
    assert stranger.post("/jobs/tts", body, format="json").status_code == 404
    VoiceClone.objects.update(status=MediaStatus.UPLOADING)
    answer = api.post("/jobs/tts", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "voice_not_ready")


@pytest.mark.parametrize(
    ("characters", "credits_"), [(1, 2), (500, 2), (501, 4), (MAX_CHARACTERS, 20)]
)
def test_the_price(characters: int, credits_: int):
    assert get_feature("tts").price({"text": "a" * characters}) == credits_


def test_the_longest_text_and_one_past_it(api: APIClient):
    longest = {"text": "a" * MAX_CHARACTERS}
    assert api.post("/jobs/tts/estimate", longest, format="json").json()["credits"] == 20
    assert refused(api, text="a" * (MAX_CHARACTERS + 1))["code"] == "max_length"


def longest(letter: str, speed: float) -> int:
    """How many of a letter the stock voice of the production engine reads in time."""

    def fits(count: int) -> bool:
        try:
            check_stock_voice(letter * count, speed)
        except EngineError:
            return False
        return True

    return bisect.bisect(range(MAX_CHARACTERS), 0, key=lambda count: not fits(count + 1))


@pytest.mark.parametrize("speed", [MIN_SPEED, 1.0])
def test_a_text_that_takes_too_long_is_not_charged(api: APIClient, settings: Any, speed: float):
    settings.INFERENCE_ENGINES = {"tts": "production"}
    count = longest("是", speed)
    assert 1000 < count < MAX_CHARACTERS
    request_data = {"text": "是" * count, "speed": speed}
    assert api.post("/jobs/tts/estimate", request_data, format="json").status_code == 200
    for url in ("/jobs/tts", "/jobs/tts/estimate"):
        answer = api.post(url, request_data | {"text": "是" * (count + 1)}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (422, "text_too_long")
        [error] = answer.json()["errors"]
        assert (error["field"], error["code"]) == ("text", "too_long")
        assert "1 % shorter" in error["detail"]
    assert not Job.objects.exists()


def test_the_draft_and_voices_of_unknown_speed_take_any_text(
    api: APIClient, settings: Any, voice: VoiceClone
):
    request_data = {"text": "是" * MAX_CHARACTERS, "speed": MIN_SPEED}
    assert api.post("/jobs/tts/estimate", request_data, format="json").status_code == 200
    settings.INFERENCE_ENGINES = {"tts": "production"}
    request_data["voice_id"] = str(voice.pk)
    assert api.post("/jobs/tts/estimate", request_data, format="json").status_code == 200


@pytest.mark.parametrize("text", ["...", "\u200b", "—"])
def test_a_text_without_anything_to_say_is_not_charged(api: APIClient, text: str):
    assert refused(api, text=text)["code"] in {"nothing_to_say", "blank"}


@pytest.mark.parametrize("text", ["", " ", None, ["a"]])
def test_what_is_no_text(api: APIClient, text: Any):
    assert refused(api, text=text)["field"] == "text"


@pytest.mark.parametrize("speed", [MIN_SPEED - 0.01, MAX_SPEED + 0.01, "nan", "inf", None, "fast"])
def test_speeds_that_are_none(api: APIClient, speed: Any):
    assert refused(api, speed=speed)["field"] == "speed"


@pytest.mark.parametrize("speed", [MIN_SPEED, MAX_SPEED])
def test_the_lowest_and_the_highest_speed(api: APIClient, speed: float):
    answer = api.post("/jobs/tts/estimate", {"text": "Hello", "speed": speed}, format="json")
    assert answer.status_code == 200


def test_a_result_is_named_after_what_can_be_read():
    named = get_feature("tts").title({"text": "A\x07 bell\u200b.\tTwo"}, [])
    assert named == "A bell. Two"
