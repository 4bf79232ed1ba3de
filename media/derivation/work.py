"""One try at a media file: claim, make what can be made, keep it."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import av
from av.container import InputContainer

from gpu_tasks.decoding import open_media
from gpu_tasks.errors import EngineError, ErrorCode
from media.deletion import remove_objects
from media.derivation import states
from media.derivation.frames import StorageLost
from media.derivation.peaks import peaks
from media.derivation.pictures import of_film, still
from media.derivation.states import Claim, ClaimLost
from media.models import MediaFile, MediaType
from media.storage import STORAGE_ERRORS, ObjectMissing, object_storage

logger = logging.getLogger(__name__)

PART_SECONDS = 240.0
"""Pictures and sound may take so long each: together less than the source's signed URL lives."""
HARD_LIMIT_SECONDS = 600
"""Whatever hangs longer is killed with its process."""
RENEW_SECONDS = 2.0
JPEG, JSON = "image/jpeg", "application/json"


class TooSlow(Exception):
    """The budget is spent."""


@dataclass
class Derived:
    """What could be made of a file."""

    thumbnail: bytes | None = None
    sprite: bytes | None = None
    sprite_description: dict[str, Any] | None = None
    peaks: bytes | None = None

    def objects(self, media: MediaFile) -> dict[str, tuple[str, bytes, str]]:
        """Column, key, content and type of each."""
        keys = media.derived_keys()
        made = {
            "thumbnail_r2_key": (self.thumbnail, JPEG),
            "sprite_r2_key": (self.sprite, JPEG),
            "peaks_r2_key": (self.peaks, JSON),
        }
        return {
            column: (keys[column], content, content_type)
            for column, (content, content_type) in made.items()
            if content is not None
        }


@dataclass
class Watch:
    """Renews the claim now and then, and ends what takes too long."""

    claim: Claim
    renew_at: float = field(default_factory=lambda: time.monotonic() + RENEW_SECONDS)

    def part(self, start: float, end: float) -> Callable[[float], None]:
        """Tells the progress of a part of the work; raises ``ClaimLost`` and ``TooSlow``."""
        give_up_at = time.monotonic() + PART_SECONDS

        def progress(share: float) -> None:
            now = time.monotonic()
            if now > give_up_at:
                raise TooSlow
            if now >= self.renew_at:
                states.renew(self.claim, start + (end - start) * share)
                self.renew_at = now + RENEW_SECONDS

        return progress


def run(media_id: UUID) -> None:
    """Make the derivatives of a media file that waits for them; others are left alone."""
    claim = states.claim(media_id)
    media = claim.row.first() if claim else None
    if claim is None or media is None:
        return
    try:
        _work(claim, media)
    except ClaimLost:
        logger.info("media %s was taken away meanwhile", media_id)
        if not MediaFile.objects.filter(pk=media_id).exists():
            # Deleted, perhaps before we wrote.
            remove_objects(list(media.derived_keys().values()))
    except STORAGE_ERRORS as exc:
        logger.warning("media %s waits for the storage: %s", media_id, type(exc).__name__)
        states.wait_for_storage(claim)
    except StorageLost:
        states.try_again(claim)


def _work(claim: Claim, media: MediaFile) -> None:
    storage = object_storage()
    try:
        storage.head(media.r2_key)
    except ObjectMissing:
        return states.fail(claim)
    derived = derive(media, storage.probe_source(media.r2_key), Watch(claim))
    objects = derived.objects(media)
    if not objects:
        return states.fail(claim)
    for key, content, content_type in objects.values():
        storage.write(key, content, content_type)
    columns: dict[str, str | None] = dict.fromkeys(media.derived_keys())
    columns |= {column: key for column, (key, _, _) in objects.items()}
    return states.finish(claim, sprite=derived.sprite_description, **columns)


def derive(media: MediaFile, source: str, watch: Watch) -> Derived:
    """What can be made of the file at a path or URL; parts that cannot are left out.

    Raises ``StorageLost`` and ``ClaimLost``.
    """
    derived = Derived()
    told = media.metadata.get("has_audio", True)
    has_sound = media.type == MediaType.AUDIO or (media.type == MediaType.VIDEO and told)
    has_pictures = media.type != MediaType.AUDIO
    if has_pictures:
        with _whatever_decodes(media):
            _add_pictures(derived, media, source, watch.part(0.0, 0.5 if has_sound else 1.0))
    if has_sound:
        with _whatever_decodes(media), open_media(source) as container:
            progress = watch.part(0.5 if has_pictures else 0.0, 1.0)
            derived.peaks = peaks(container, _duration_ms(media, container), progress)
    return derived


def _add_pictures(
    derived: Derived, media: MediaFile, source: str, progress: Callable[[float], None]
) -> None:
    with open_media(source) as container:
        if media.type == MediaType.IMAGE:
            derived.thumbnail = still(container)
            return
        derived.thumbnail, strip = of_film(container, _duration_ms(media, container), progress)
    if strip is not None:
        derived.sprite, derived.sprite_description = strip.content, strip.description()


def _duration_ms(media: MediaFile, container: InputContainer) -> int:
    return max(1, media.duration_ms or (container.duration or 0) * 1000 // av.time_base)


@contextmanager
def _whatever_decodes(media: MediaFile) -> Iterator[None]:
    """One part of the work: without it the others are still worth having."""
    try:
        yield
    except TooSlow:
        logger.warning("media %s takes too long", media.pk)
    except EngineError as exc:
        if exc.code == ErrorCode.STORAGE_ERROR:
            raise StorageLost from exc
    except av.FFmpegError:
        logger.info("media %s does not decode", media.pk)
