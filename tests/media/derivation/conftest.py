"""Ready media with real objects, on either storage."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from media.models import MediaFile, MediaType
from media.storage import ObjectStorage
from tests.media.films import film, halves, tone


@pytest.fixture
def kept(storage: ObjectStorage, make_media: Callable[..., MediaFile]) -> Callable[..., MediaFile]:
    """A ready media file with these bytes, as an upload or a job leaves it."""

    def keep(content: bytes, extension: str = "mp4", **fields: Any) -> MediaFile:
        key = f"users/1/media/{uuid.uuid4()}/source.{extension}"
        storage.write(key, content, "video/mp4")
        expected_body: dict[str, Any] = {
            "type": MediaType.VIDEO,
            "duration_ms": 2000,
            "metadata": {},
        }
        return make_media(r2_key=key, **(expected_body | fields))

    return keep


@pytest.fixture
def talk(kept: Callable[..., MediaFile]) -> MediaFile:
    """Two seconds of film with sound in the second one."""
    return kept(film([halves(40, 220)] * 20, sound=tone(1.0, silent_seconds=1.0)))
