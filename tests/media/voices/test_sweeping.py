"""Voices that nobody has confirmed: what goes, when, and what stays."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from jobs.retention.sweeping import sweep_all
from media import sweeping
from media.kinds import VOICES
from media.models import VoiceClone
from media.storage import ObjectMissingError, ObjectStorage
from media.storage.s3 import PresignedS3Storage
from tests.media.voices.conftest import Bring

MARGIN = timedelta(seconds=30)


def age(voice: VoiceClone, by: timedelta) -> None:
    VoiceClone.objects.filter(pk=voice.pk).update(created_at=Now() - by)


@pytest.fixture
def kept(settings: Settings) -> timedelta:
    """How long a voice may wait for its confirmation."""
    return timedelta(seconds=settings.PRESIGNED_URL_SECONDS) + sweeping.UNCONFIRMED_LIFETIME


def test_voices_never_confirmed_go_with_their_samples(
    storage: ObjectStorage, bring: Bring, make_voice: Bring, kept: timedelta
) -> None:
    old, young, ready = bring(b"old"), bring(b"young"), make_voice()
    age(old, kept)
    age(young, kept - MARGIN)
    age(ready, 2 * kept)
    assert sweeping.list_unconfirmed(VOICES).count() == 1

    assert (sweeping.delete_unconfirmed(VOICES), sweeping.delete_unconfirmed(VOICES)) == (1, 0)

    assert set(VoiceClone.objects.all()) == {young, ready}
    assert storage.head(young.sample_r2_key)
    with pytest.raises(ObjectMissingError):
        storage.head(old.sample_r2_key)


def test_with_the_storage_away_the_rows_wait(
    s3_storage: PresignedS3Storage,
    use_s3: Callable[..., PresignedS3Storage],
    bring: Bring,
    kept: timedelta,
) -> None:
    age(bring(b"x"), kept)
    use_s3("http://127.0.0.1:9")
    assert sweeping.delete_unconfirmed(VOICES) == 0
    assert VoiceClone.objects.count() == 1


def test_orchestrators_sweep_them(
    filesystem_storage: ObjectStorage, bring: Bring, kept: timedelta
) -> None:
    age(bring(b"x"), kept)
    assert sweep_all() == 1
    assert not VoiceClone.objects.exists()
