"""Try to make the derivatives of a media file: claim, make and store them."""

import base64
import logging
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from auteur.core.api.problems import UnavailableProblem
from auteur.core.work.leases import Lease, LeaseLostError
from gpu_tasks.runtime.errors import InputRefusedError
from gpu_tasks.runtime.sandbox import SandboxFailedError
from media.deletion import delete_objects
from media.derivation.states import DERIVATIONS
from media.inspection import inspect_with
from media.limits import DECODING, MAX_PEAKS_BYTES, MAX_PEAKS_MS
from media.models import DerivationStatus, MediaFile, MediaType
from media.storage import STORAGE_ERRORS, ObjectMissingError, object_storage

logger = logging.getLogger(__name__)

HARD_LIMIT_SECONDS = 600
"""A task that runs longer is killed with its process."""
JPEG, JSON = "image/jpeg", "application/json"


@dataclass
class Derivatives:
    """A file's derivatives: content and type by column, and the layout of the sprite's tiles."""

    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    sprite: dict[str, Any] | None = None


def run_derivation(media_id: UUID) -> None:
    """Make the derivatives of a media file if it waits for them; otherwise do nothing."""
    lease = DERIVATIONS.claim(media_id, derivation_progress=0.0)
    media = lease.row.first() if lease else None
    if lease is None or media is None:
        return
    try:
        _make_and_store(lease, media)
    except LeaseLostError:
        logger.info("another worker has claimed media %s", media_id)
        if not MediaFile.objects.filter(pk=media_id).exists():
            # The media was deleted, perhaps before our writes, so the objects may be left behind.
            delete_objects(list(media.derived_keys().values()))
    except (UnavailableProblem, *STORAGE_ERRORS) as exc:
        logger.warning("media %s waits for the storage: %s", media_id, type(exc).__name__)
        lease.release()
    except SandboxFailedError:
        logger.exception("no derivatives could be made of media %s", media_id)
        lease.requeue()


def _make_and_store(lease: Lease[MediaFile], media: MediaFile) -> None:
    storage = object_storage()
    try:
        storage.head(media.r2_key)
    except ObjectMissingError:
        return lease.fail()
    derived = derive(media, storage.probe_source(media.r2_key), lease)
    if not derived.objects:
        return lease.fail()
    keys = media.derived_keys()
    for column, (content, content_type) in derived.objects.items():
        storage.write(keys[column], content, content_type)
    return lease.finish(
        sprite=derived.sprite,
        derivation_status=DerivationStatus.DONE,
        derivation_progress=1.0,
        **{column: key if column in derived.objects else None for column, key in keys.items()},
    )


def derive(media: MediaFile, source: str, lease: Lease[MediaFile]) -> Derivatives:
    """Make the derivatives of the file at a path or URL, leaving out parts that fail.

    Raises ``UnavailableProblem``, ``SandboxFailedError`` and ``LeaseLostError``.
    """
    has_sound = media.type == MediaType.AUDIO or (
        media.type == MediaType.VIDEO and media.metadata.get("has_audio", True)
    )
    parts = ["pictures"] if media.type != MediaType.AUDIO else []
    if has_sound and not _is_too_long(media):
        parts.append("peaks")
    results = {
        part: _make_part(part, media, source, lease, number / len(parts), (number + 1) / len(parts))
        for number, part in enumerate(parts)
    }
    pictures, peaks = results.get("pictures") or {}, results.get("peaks")
    derived = Derivatives(sprite=pictures.get("sprite_description"))
    for name in ("thumbnail", "sprite"):
        if pictures.get(name) is not None:
            derived.objects[f"{name}_r2_key"] = base64.b64decode(pictures[name]), JPEG
    if peaks:
        derived.objects["peaks_r2_key"] = peaks.encode(), JSON
    return derived


def _is_too_long(media: MediaFile) -> bool:
    """Return True if the waveform is left out, because making it would delay other media."""
    is_too_large = (media.file_size_bytes or 0) > MAX_PEAKS_BYTES
    return is_too_large or (media.duration_ms or 0) > MAX_PEAKS_MS


def _make_part(
    part: str, media: MediaFile, source: str, lease: Lease[MediaFile], start: float, end: float
) -> Any:
    """Make one part, reporting progress from ``start`` to ``end``; None if the part fails."""
    share = start

    def progress(part_share: Any) -> None:
        nonlocal share
        share = start + (end - start) * min(1.0, max(0.0, float(part_share)))

    try:
        return inspect_with(
            f"media.derivation.{part}:make_{part}",
            source,
            limits=DECODING,
            tick=lambda: lease.renew(derivation_progress=share),
            progress=progress,
            duration_ms=None if media.type == MediaType.IMAGE else media.duration_ms or 0,
        )
    except InputRefusedError as exc:
        logger.info("no %s of media %s: %s", part, media.pk, exc.code)
        return None
