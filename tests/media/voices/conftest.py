"""Voices as clients bring them: over HTTP, to both storages."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from accounts.models import User
from gpu_tasks.mediakit.audio import Samples
from media import checking
from media.kinds import VOICES
from media.models import MediaStatus, VoiceClone
from tests.gpu_tasks.recordings import MONOLOGUE, SHORT, sound_of, write_sound
from tests.media.conftest import send

SPEECH = MONOLOGUE.read_bytes()
"""Eleven seconds of one man's speech, in three sentences."""

Ask = Callable[..., dict[str, Any]]
Bring = Callable[..., VoiceClone]
Confirm = Callable[[VoiceClone], Any]


@pytest.fixture
def ask_voice(api: APIClient) -> Ask:
    """Ask for a voice as ``user`` and return the answer."""

    def ask(**fields: Any) -> dict[str, Any]:
        body = {"name": "Mine", "content_type": "audio/ogg", "consent": True} | fields
        answer = api.post("/voices", body, format="json")
        assert answer.status_code == 201, answer.content
        job_body: dict[str, Any] = answer.json()
        return job_body

    return ask


@pytest.fixture
def bring(ask_voice: Ask) -> Bring:
    """Upload a sample without confirming it."""

    def upload(content: bytes = SPEECH, **fields: Any) -> VoiceClone:
        answer = ask_voice(**fields)
        sent = send(answer, content)
        assert sent.status_code == 200, sent.content
        return VoiceClone.objects.get(pk=answer["voice_id"])

    return upload


@pytest.fixture
def begin_confirm_voice(
    api: APIClient, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> Confirm:
    """Confirm a voice as ``user``."""

    def request(voice: VoiceClone) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return api.post(f"/voices/{voice.pk}/confirm")

    return request


@pytest.fixture
def confirm_voice(
    begin_confirm_voice: Confirm, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> Confirm:
    """Confirm a voice as ``user`` and ask again once it has been listened to."""

    def request(voice: VoiceClone) -> Any:
        answer = begin_confirm_voice(voice)
        if answer.status_code != 202:
            return answer
        with django_capture_on_commit_callbacks(execute=True):
            checking.run_check(VOICES, voice.pk)
        return begin_confirm_voice(voice)

    return request


@pytest.fixture
def make_voice(user: User) -> Bring:
    """A row of a confirmed voice; its object need not exist."""

    def make(owner: User = user, **fields: Any) -> VoiceClone:
        defaults = {
            "name": "Mine",
            "status": MediaStatus.READY,
            "sample_r2_key": f"users/{owner.pk}/voices/{uuid.uuid4()}/sample.wav",
            "sample_duration_ms": 8000,
            "consent_statement": "Yes.",
            "consented_at": timezone.now(),
        }
        return VoiceClone.objects.create(user=owner, **(defaults | fields))

    return make


@pytest.fixture
def wav_of(tmp_path: Path) -> Callable[[Samples], bytes]:
    """A sound as the bytes of a WAV file."""

    def encode(sound: Samples) -> bytes:
        path = write_sound(tmp_path / "sample.wav", "pcm_s16le", sound, rate=16_000)
        return path.read_bytes()

    return encode


@pytest.fixture(scope="session")
def short_sound() -> Samples:
    """Less than three seconds of speech."""
    return sound_of(SHORT)
