"""Imports as a user begins them, and as a worker carries them out."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from media import checking
from media.imports import worker
from media.imports.limits import PART_BYTES
from media.kinds import FILES
from media.models import MediaFile
from projects.models import Project
from tests.media import samples
from tests.media.imports.source import Source

MARGIN_BYTES = 2 * 1024**2
"""More than is lost of a connection that breaks."""
PADDED_BYTES = PART_BYTES + MARGIN_BYTES


@pytest.fixture
def source() -> Iterator[Source]:
    with Source() as source:
        yield source


@pytest.fixture
def begin(api: APIClient, project: Project) -> Callable[..., Any]:
    """Ask for an import; the answer."""

    def ask(url: str, **given: Any) -> Any:
        path = f"/projects/{project.pk}/media/import"
        return api.post(path, {"url": url, **given}, format="json")

    return ask


@pytest.fixture
def importing(begin: Callable[..., Any]) -> Callable[..., MediaFile]:
    """The media file of an import that has begun."""

    def start(url: str, **given: Any) -> MediaFile:
        answer = begin(url, **given)
        assert answer.status_code == 202, answer.content
        return MediaFile.objects.get(pk=answer.json()["media"]["id"])

    return start


@pytest.fixture
def fetch(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Callable[[MediaFile], MediaFile]:
    """One try, and the check if it comes to that."""

    def once(media: MediaFile) -> MediaFile:
        with django_capture_on_commit_callbacks(execute=True):
            worker.run_import(media.pk)
            checking.run_check(FILES, media.pk)
        return MediaFile.objects.select_related("url_import").get(pk=media.pk)

    return once


def padded_film(mark: bytes = b"\0", size_bytes: int = PADDED_BYTES) -> bytes:
    """A film of so many bytes, most of them free space (ISO 14496-12, 8.1.2)."""
    film = samples.video()
    free = size_bytes - len(film)
    return film + free.to_bytes(4, "big") + b"free" + mark * (free - 8)
