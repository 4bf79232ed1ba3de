"""The two kinds of upload, files and voices, and in what they differ."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now

from auteur.api.problems import Problem
from media.content_types import ACCEPTED
from media.inspection import inspect, inspect_with
from media.limits import LISTENING
from media.models import MediaFile, MediaStatus, MediaType, Upload, VoiceClone
from media.probes import UnsupportedMediaError

Row = TypeVar("Row", bound=Upload)


@dataclass(frozen=True, eq=False)
class Kind(Generic[Row]):
    """One kind of uploads; `media.uploads` is what happens to all of them."""

    model: type[Row]
    room: str
    """Its objects lie at ``users/<user>/<room>/<id>/<object_name>.<extension>``."""
    object_name: str
    content_types: Mapping[str, str]
    """What is taken, and the extension that its object gets."""
    max_bytes: Callable[[], int]
    max_unsized_bytes: Callable[[], int]
    """Of one whose size was not told."""
    check_count: Callable[[UUID], None]
    """Raises a ``Problem`` where the user has as many as one user may have."""
    inspect: Callable[[Row, str, Callable[[], None]], dict[str, Any]]
    """What is stored of a good one, found at a path or URL; raises as ``inspect_with``.

    The callable is heard meanwhile, and may end it by raising.
    """

    def find_checked(self, row_ids: Collection[UUID]) -> set[UUID]:
        """Return the ids of uploads that are not being checked, or are gone."""
        checking = self.model._default_manager.filter(
            pk__in=row_ids, status=MediaStatus.CHECKING
        ).values_list("pk", flat=True)
        return set(row_ids).difference(checking)


class TooManyUploadsProblem(Problem):
    """One must be confirmed or given up before another begins."""

    status_code = 409
    default_code = "too_many_uploads"
    default_detail = (
        "You have as many uploads open as one user may have: confirm some, or give them up."
    )


class TooManyVoicesProblem(Problem):
    """One must go before another comes."""

    status_code = 409
    default_code = "too_many_voices"
    default_detail = "You have reached the limit of voices. Delete one first."


def _check_open_files(user_id: UUID) -> None:
    files = MediaFile.objects.filter(user_id=user_id, status=MediaStatus.UPLOADING)
    if files.count() >= settings.MAX_OPEN_UPLOADS:
        raise TooManyUploadsProblem(max_open_uploads=settings.MAX_OPEN_UPLOADS)


def _check_voices(user_id: UUID) -> None:
    voices = VoiceClone.objects.filter(user_id=user_id).exclude(status=MediaStatus.REJECTED)
    if voices.count() >= settings.MAX_VOICES:
        raise TooManyVoicesProblem(max_voices=settings.MAX_VOICES)


def _probe(media: MediaFile, place: str, tick: Callable[[], None]) -> dict[str, Any]:
    found = inspect(place, tick=tick)
    # A film without pictures is a sound; but a picture is never a film.
    if (found.type == MediaType.IMAGE) != (media.type == MediaType.IMAGE):
        detail = f"The file was announced as {media.type} and is {found.type}."
        raise UnsupportedMediaError(detail=detail)
    return {**vars(found), "derive_at": Now()}


def _listen(voice: VoiceClone, place: str, tick: Callable[[], None]) -> dict[str, Any]:
    found = inspect_with("media.voices.samples:examine_as_json", place, limits=LISTENING, tick=tick)
    return {
        "sample_duration_ms": found["duration_ms"],
        "speech_duration_ms": found["speech_duration_ms"],
    }


FILES = Kind(
    MediaFile,
    room="media",
    object_name="source",
    content_types=ACCEPTED,
    max_bytes=lambda: settings.MAX_UPLOAD_BYTES,
    max_unsized_bytes=lambda: settings.MAX_UNSIZED_UPLOAD_BYTES,
    check_count=_check_open_files,
    inspect=_probe,
)
VOICES = Kind(
    VoiceClone,
    room="voices",
    object_name="sample",
    content_types={
        kind: extension for kind, extension in ACCEPTED.items() if not kind.startswith("image/")
    },
    max_bytes=lambda: settings.MAX_VOICE_SAMPLE_BYTES,
    max_unsized_bytes=lambda: settings.MAX_VOICE_SAMPLE_BYTES,
    check_count=_check_voices,
    inspect=_listen,
)
KINDS: tuple[Kind[Any], ...] = (FILES, VOICES)
