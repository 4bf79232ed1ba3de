"""Whole jobs in one process: over HTTP to the storage and back, without a worker."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.files.storage import storages
from rest_framework.test import APIClient

from accounts.models import User
from jobs import tasks
from jobs.calls.backends import local
from jobs.features.registry import get_feature
from jobs.models import Attempt, Job
from jobs.orchestrator import admission
from media.models import MediaFile, MediaStatus
from media.probing import probe
from media.storage import object_storage

ACCEPTED = 202


@pytest.fixture
def signed_urls(settings, live_server, tmp_path: Path) -> None:
    """A storage of files whose URLs, and our callbacks, are served from a thread of ours."""
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "media.storage.filesystem.SignedFileSystemStorage",
            "OPTIONS": {
                "location": str(tmp_path / "objects"),
                "base_url": f"{live_server.url}/storage/",
                "signing_key": "k" * 40,
            },
        }
    }
    settings.GPU_CALLBACK_URL = f"{live_server.url}/internal/gpu-callback"
    assert storages["default"]


@pytest.fixture
def bring(user: User, signed_urls: None) -> Callable[..., MediaFile]:
    """A confirmed media file of a user's, with its object: ``bring(path, "video/mp4")``."""

    def make(file: Path, mime_type: str, **fields: Any) -> MediaFile:
        media_id = uuid.uuid4()
        key = f"users/{user.pk}/media/{media_id}/source{file.suffix}"
        object_storage().write(key, file.read_bytes(), mime_type)
        results = probe(object_storage().probe_source(key))
        facts = {
            "name": file.name,
            "type": results.type,
            "status": MediaStatus.READY,
            "mime_type": mime_type,
            "duration_ms": results.duration_ms,
            "file_size_bytes": file.stat().st_size,
            "metadata": results.metadata,
            "r2_key": key,
            "r2_url": f"http://storage/{key}",
        }
        return MediaFile.objects.create(id=media_id, user=user, **(facts | fields))

    return make


@pytest.fixture
def run_job(api: APIClient, signed_urls: None) -> Callable[..., dict[str, Any]]:
    """Submit a job of a feature by its slug and run it to its end; how ``GET /jobs/:id`` shows it.

    ``run_job("lip-sync", video_media_id=…, audio_media_id=…)``.
    """

    def run(slug: str, **parameters: Any) -> dict[str, Any]:
        answer = api.post(f"/jobs/{slug}", parameters, format="json")
        assert answer.status_code == ACCEPTED, answer.json()
        finish(UUID(answer.json()["job_id"]))
        body: dict[str, Any] = api.get(f"/jobs/{answer.json()['job_id']}").json()
        feature = get_feature(body["type"])
        assert set(body["input_params"]) == {*parameters, *feature.parameters.stored_as_given}
        return body

    return run


def finish(job_id: UUID) -> None:
    """Take a pending job through its steps, its call run here."""
    admission.admit_all()
    attempt = Attempt.objects.get(job_id=job_id)
    ids = [str(attempt.pk)]
    tasks.prepare.apply(args=[ids])
    tasks.dispatch.apply(args=[ids])
    attempt.refresh_from_db()
    if attempt.call_id is None:
        return  # refused
    local.run(UUID(attempt.call_id))
    tasks.collect.apply(args=[ids])
    tasks.finalize.apply(args=[ids])


def error_of(job_id: str) -> tuple[str | None, str | None]:
    """The code and message that an attempt broke off with."""
    attempt = Job.objects.get(pk=job_id).attempt
    assert attempt is not None
    return attempt.error_code, attempt.error_message
