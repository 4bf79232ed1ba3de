"""One try at a media file: claim, have made what can be made, keep it."""

import base64
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from auteur.api.problems import Unavailable
from gpu_tasks.runtime.errors import Refusal
from gpu_tasks.runtime.sandbox import SandboxFailed
from media.deletion import remove_objects
from media.derivation.states import DERIVATIONS
from media.inspection import look
from media.limits import DECODING
from media.lines import Claim, ClaimLost
from media.models import DerivationStatus, MediaFile, MediaType
from media.storage import STORAGE_ERRORS, ObjectMissing, object_storage

logger = logging.getLogger(__name__)

HARD_LIMIT_SECONDS = 600
"""Whatever hangs longer is killed with its process."""
RENEW_SECONDS = 2.0
JPEG, JSON = "image/jpeg", "application/json"


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
    """Renews the claim now and then, and says how far the work is."""

    claim: Claim[MediaFile]
    share: float = 0.0
    renew_at: float = field(default_factory=lambda: time.monotonic() + RENEW_SECONDS)

    def tick(self) -> None:
        """Raises ``ClaimLost``."""
        if time.monotonic() >= self.renew_at:
            self.claim.renew(derivation_progress=self.share)
            self.renew_at = time.monotonic() + RENEW_SECONDS

    def part(self, start: float, end: float) -> Callable[[Any], None]:
        """Hears the progress of a part of the work."""

        def progress(share: Any) -> None:
            self.share = start + (end - start) * min(1.0, max(0.0, float(share)))
            self.tick()

        return progress


def run(media_id: UUID) -> None:
    """Make the derivatives of a media file that waits for them; others are left alone."""
    claim = DERIVATIONS.claim(media_id)
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
    except (Unavailable, *STORAGE_ERRORS) as exc:
        logger.warning("media %s waits for the storage: %s", media_id, type(exc).__name__)
        claim.wait_for_storage()
    except SandboxFailed:
        logger.exception("nothing was made of media %s", media_id)
        claim.try_again()


def _work(claim: Claim[MediaFile], media: MediaFile) -> None:
    storage = object_storage()
    try:
        storage.head(media.r2_key)
    except ObjectMissing:
        return claim.give_up()
    derived = derive(media, storage.probe_source(media.r2_key), Watch(claim))
    objects = derived.objects(media)
    if not objects:
        return claim.give_up()
    for key, content, content_type in objects.values():
        storage.write(key, content, content_type)
    columns: dict[str, str | None] = dict.fromkeys(media.derived_keys())
    columns |= {column: key for column, (key, _, _) in objects.items()}
    return claim.finish(
        sprite=derived.sprite_description,
        derivation_status=DerivationStatus.DONE,
        derivation_progress=1.0,
        **columns,
    )


def derive(media: MediaFile, source: str, watch: Watch) -> Derived:
    """What can be made of the file at a path or URL; parts that cannot are left out.

    Raises ``Unavailable``, ``SandboxFailed`` and ``ClaimLost``.
    """
    derived = Derived()
    told = media.metadata.get("has_audio", True)
    has_sound = media.type == MediaType.AUDIO or (media.type == MediaType.VIDEO and told)
    has_pictures = media.type != MediaType.AUDIO
    duration_ms = None if media.type == MediaType.IMAGE else media.duration_ms or 0
    if has_pictures:
        progress = watch.part(0.0, 0.5 if has_sound else 1.0)
        made = _made("pictures", source, watch, progress, duration_ms=duration_ms) or {}
        derived.thumbnail, derived.sprite = map(_bytes, (made.get("thumbnail"), made.get("sprite")))
        derived.sprite_description = made.get("sprite_description")
    if has_sound:
        progress = watch.part(0.5 if has_pictures else 0.0, 1.0)
        peaks = _made("peaks", source, watch, progress, duration_ms=duration_ms)
        derived.peaks = peaks.encode() if peaks else None
    return derived


def _made(
    part: str, source: str, watch: Watch, progress: Callable[[Any], None], **arguments: Any
) -> Any:
    """One part of the work: without it the others are still worth having."""
    function = f"media.derivation.{part}:made"
    try:
        return look(
            function, source, limits=DECODING, tick=watch.tick, progress=progress, **arguments
        )
    except Refusal as exc:
        logger.info("no %s of media %s: %s", part, watch.claim.row_id, exc.code)
        return None


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
