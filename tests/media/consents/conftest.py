"""Consents over a storage of files that lies in the test's own folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.db.models.functions import Now
from pytest_django import Settings

from accounts.models import User
from media.consents import removal_worker
from media.consents.models import Consent, ConsentKind, ConsentStatus
from media.consents.records import record_consent
from media.models import MediaFile
from media.storage import ObjectStorage, object_storage

CONTENT = b"something of a person"


@pytest.fixture
def objects(settings: Settings, tmp_path: Path) -> ObjectStorage:
    """The storage, empty."""
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "media.storage.filesystem.SignedFileSystemStorage",
            "OPTIONS": {
                "location": str(tmp_path / "objects"),
                "base_url": "http://storage/",
                "signing_key": "k" * 40,
            },
        }
    }
    assert storages["default"]
    return object_storage()


@pytest.fixture
def stored(make_media: Callable[..., MediaFile], objects: ObjectStorage) -> Callable[..., Any]:
    """A media file with its object."""

    def make(**fields: Any) -> MediaFile:
        media = make_media(**fields)
        objects.write(media.r2_key, CONTENT, "audio/wav")
        return media

    return make


@pytest.fixture
def consent_for(user: User) -> Callable[..., Consent]:
    """Ann agrees to the use of her face in some media of ``user``."""

    def record(*media: MediaFile) -> Consent:
        return record_consent(
            user_id=user.pk,
            kind=ConsentKind.FACE,
            subject="Ann",
            media_ids=[media_row.pk for media_row in media],
        )

    return record


def follow(consent: Consent) -> Consent:
    """One turn of the walk, as soon as it is due."""
    Consent.objects.filter(pk=consent.pk, status=ConsentStatus.REVOKED).update(due_at=Now())
    assert consent.pk in removal_worker.REVOCATIONS.select_due(10)
    removal_worker.run_removal(consent.pk)
    return Consent.objects.get(pk=consent.pk)
