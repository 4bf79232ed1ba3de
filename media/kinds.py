"""Define how the two kinds of uploads, files and voices, differ."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now

from auteur.core.api.problems import Problem
from media.content_types import ACCEPTED
from media.inspection import inspect, inspect_with
from media.limits import LISTENING
from media.models import MediaFile, MediaStatus, MediaType, Upload, VoiceClone
from media.probes import UnsupportedMediaError

Row = TypeVar("Row", bound=Upload)


@dataclass(frozen=True, eq=False)
class Kind(Generic[Row]):
    """One kind of upload; `media.uploads` is the flow of all kinds."""

    model: type[Row]
    room: str
    """Objects have the key ``users/<user>/<room>/<id>/<object_name>.<extension>``."""
    object_name: str
    content_types: Mapping[str, str]
    """Accepted content types, and the extensions of their objects."""
    max_bytes: Callable[[], int]
    max_unsized_bytes: Callable[[], int]
    """The limit for uploads without a declared size."""
    check_count: Callable[[UUID], None]
    """Raises a ``Problem`` if the user has reached the limit of this kind."""
    inspect: Callable[[Row, str, Callable[[], None]], dict[str, Any]]
    """Returns the columns to store for a valid upload at a path or URL.

    Raises what ``inspect_with`` raises. The callable is called meanwhile, and can end the
    inspection by raising.
    """

    def find_checked(self, row_ids: Collection[UUID]) -> set[UUID]:
        """Return the ids of uploads that are not being checked, or are gone."""
        checking = self.model._default_manager.filter(
            pk__in=row_ids, status=MediaStatus.CHECKING
        ).values_list("pk", flat=True)
        return set(row_ids).difference(checking)


class TooManyUploadsProblem(Problem):
    """Raised if the user has the maximum number of open uploads."""

    status_code = 409
    default_code = "too_many_uploads"
    default_detail = (
        "You have reached the limit of open uploads. Confirm or abort some of them first."
    )


class TooManyVoicesProblem(Problem):
    """Raised if the user has the maximum number of voices."""

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


def _inspect_file(media: MediaFile, path_or_url: str, tick: Callable[[], None]) -> dict[str, Any]:
    facts = inspect(path_or_url, tick=tick)
    # A video without pictures is accepted as a sound, but a picture must be declared as one.
    if (facts.type == MediaType.IMAGE) != (media.type == MediaType.IMAGE):
        detail = (
            f"The upload was declared as {media.type}, but the file is {facts.type}. Upload it "
            "again with the right content type."
        )
        raise UnsupportedMediaError(detail=detail)
    return {**vars(facts), "derive_at": Now()}


def _inspect_sample(
    voice: VoiceClone, path_or_url: str, tick: Callable[[], None]
) -> dict[str, Any]:
    facts = inspect_with(
        "media.voices.samples:examine_as_json", path_or_url, limits=LISTENING, tick=tick
    )
    return {
        "sample_duration_ms": facts["duration_ms"],
        "speech_duration_ms": facts["speech_duration_ms"],
    }


FILES = Kind(
    MediaFile,
    room="media",
    object_name="source",
    content_types=ACCEPTED,
    max_bytes=lambda: settings.MAX_UPLOAD_BYTES,
    max_unsized_bytes=lambda: settings.MAX_UNSIZED_UPLOAD_BYTES,
    check_count=_check_open_files,
    inspect=_inspect_file,
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
    inspect=_inspect_sample,
)
KINDS: tuple[Kind[Any], ...] = (FILES, VOICES)
