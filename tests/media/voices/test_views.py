"""The list of voices, their previews, their deletion, and what others see of them: nothing."""

import uuid
from collections.abc import Callable

import pytest
import requests
from django.db import connection
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from accounts.models import User
from jobs import lifecycle
from jobs.models import Job
from media.models import MediaStatus, VoiceClone
from media.storage import ObjectMissingError, ObjectStorage
from tests.media.voices.conftest import SPEECH, Bring, Confirm

FIELDS = {
    "id",
    "name",
    "status",
    "rejected",
    "sample_duration_ms",
    "speech_duration_ms",
    "consent_statement",
    "consented_at",
    "created_at",
    "preview_url",
}


@pytest.fixture
def stranger(make_user: Callable[..., User], client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(make_user())


def test_the_list(api: APIClient, make_voice: Bring) -> None:
    make_voice(name="Ready")
    make_voice(name="Waiting", status=MediaStatus.UPLOADING)
    make_voice(name="Refused", status=MediaStatus.REJECTED, rejection="clipped")
    body = api.get("/voices").json()
    assert (body["next"], body["previous"]) == (None, None)
    assert all(set(row) == FIELDS for row in body["voices"])
    results = {row["name"]: (row["status"], row["rejected"]) for row in body["voices"]}
    assert results == {
        "Ready": ("ready", None),
        "Waiting": ("uploading", None),
        "Refused": ("rejected", "clipped"),
    }
    with_preview = [row["name"] for row in body["voices"] if row["preview_url"]]
    assert with_preview == ["Ready"]


def test_pages(api: APIClient, make_voice: Bring) -> None:
    created = {str(make_voice().pk) for _ in range(3)}
    first = api.get("/voices?limit=2").json()
    second = api.get(first["next"]).json()
    assert len(first["voices"]) == 2
    assert {row["id"] for row in first["voices"] + second["voices"]} == created
    assert api.get("/voices?cursor=made-up").status_code == 400


def test_a_preview_can_be_heard(
    storage: ObjectStorage, api: APIClient, bring: Bring, confirm_voice: Confirm
) -> None:
    confirm_voice(bring(filename="me.ogg"))
    [voice] = api.get("/voices").json()["voices"]
    heard = requests.get(voice["preview_url"], timeout=10)
    assert heard.content == SPEECH
    assert heard.headers["Content-Disposition"] == 'attachment; filename="me.ogg"'


def test_row_and_object_go(
    storage: ObjectStorage,
    api: APIClient,
    bring: Bring,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    voice = bring()
    with django_capture_on_commit_callbacks(execute=True):
        answer = api.delete(f"/voices/{voice.pk}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert not VoiceClone.objects.exists()
    with pytest.raises(ObjectMissingError):
        storage.head(voice.sample_r2_key)
    assert api.delete(f"/voices/{voice.pk}").status_code == 404


def test_a_voice_that_an_open_job_speaks_with_stays(
    api: APIClient, make_voice: Bring, make_job: Callable[..., Job]
) -> None:
    voice, other = make_voice(), make_voice()
    job = make_job()
    Job.objects.filter(pk=job.pk).update(input_params={"voice_id": str(voice.pk)})

    answer = api.delete(f"/voices/{voice.pk}")
    assert (answer.status_code, answer.json()["code"]) == (409, "voice_in_use")
    assert answer.json()["used_by"] == [f"job {job.pk} (transcription)"]
    assert api.delete(f"/voices/{other.pk}").status_code == 204

    lifecycle.cancel(job_id=job.pk, by="user")
    assert api.delete(f"/voices/{voice.pk}").status_code == 204


def test_others_see_nothing(stranger: APIClient, make_voice: Bring) -> None:
    voice = make_voice()
    assert stranger.get("/voices").json()["voices"] == []
    for voice_id in (voice.pk, uuid.uuid4()):
        assert stranger.delete(f"/voices/{voice_id}").status_code == 404
    assert VoiceClone.objects.filter(pk=voice.pk).exists()


def test_a_token_is_needed(make_voice: Bring) -> None:
    anyone = APIClient()
    voice = make_voice()
    assert anyone.get("/voices").status_code == 401
    assert anyone.delete(f"/voices/{voice.pk}").status_code == 401
    assert anyone.post(f"/voices/{voice.pk}/confirm").status_code == 401


def test_keys_are_never_told(api: APIClient, make_voice: Bring) -> None:
    waiting = make_voice(status=MediaStatus.UPLOADING)
    assert waiting.sample_r2_key not in api.get("/voices").content.decode()
    assert "sample_r2_key" not in api.get("/voices").json()["voices"][0]


def test_past_django_each_user_sees_their_own_voices_only(
    make_voice: Bring, make_user: Callable[..., User]
) -> None:
    mine, theirs = make_voice(), make_voice(make_user())
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE reader; GRANT SELECT ON voice_clones TO reader")
        cursor.execute(
            "SELECT set_config('request.jwt.claims', json_build_object('sub', %s::text)::text,"
            " true)",
            [str(mine.user_id)],
        )
        cursor.execute("SET LOCAL ROLE reader")
        cursor.execute("SELECT id FROM voice_clones")
        seen = {row[0] for row in cursor.fetchall()}
        cursor.execute("RESET ROLE")
    assert mine.pk in seen
    assert theirs.pk not in seen
