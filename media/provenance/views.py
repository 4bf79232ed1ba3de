"""Serve the endpoint for a media file's content credentials."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.requests import user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.throttling import Cost
from auteur.core.api.views import APIView
from auteur.core.work.sandbox_queue import QUEUE, FilesBusyProblem
from media.access import get_media
from media.limits import READING_BACK
from media.models import MediaFile, MediaStatus
from media.provenance.credentials import FileCredentials, find_skip_reason, read_credentials
from media.provenance.serializers import ProvenanceSerializer
from media.storage import object_storage

MAX_BYTES = 100 * 1024**2
"""The largest file that is read during a request."""


class ProvenanceView(APIView):
    """Read the content credentials of a media file."""

    scopes: ClassVar = {"GET": Scope.READ}
    costs: ClassVar = {"GET": Cost.UPLOAD}  # The whole file is read.
    problems: ClassVar = {"GET": (FilesBusyProblem,)}

    @extend_schema(
        summary="Read a media file's content credentials",
        description="Returns the C2PA content credentials in the file, and whether they are "
        "valid: who signed it, how it was made and from what. The file is read at each request, "
        f"up to {MAX_BYTES // 1024**2} MiB. For larger files only `recorded` is returned.",
        responses=ProvenanceSerializer,
    )
    def get(self, request: Request, media_id: UUID) -> Response:
        """Read and verify the credentials of the file."""
        media = get_media(user_id=user_id(request), media_id=media_id)
        return Response(ProvenanceSerializer(read_provenance(media)).data)


def read_provenance(media: MediaFile) -> dict[str, Any]:
    """Return what ``ProvenanceSerializer`` shows.

    A file that is too large, or whose format has no credentials, takes no place in the sandbox's
    queue. Raises ``UnavailableProblem`` and ``FilesBusyProblem``.
    """
    size_bytes = media.file_size_bytes or 0
    credentials = FileCredentials("unreadable")
    if media.status == MediaStatus.READY:
        credentials = find_skip_reason(
            media.mime_type, size_bytes, MAX_BYTES
        ) or _read_from_storage(media, size_bytes)
    report = credentials.report or {}
    return {
        "media_id": media.pk,
        "recorded": (media.origin or {}).get("credentials"),
        "not_read": credentials.not_read,
        "validation_state": report.get("validation_state"),
        "is_ours": credentials.is_ours,
        "problems": report.get("problems", []),
        "manifest": report.get("manifest"),
    }


def _read_from_storage(media: MediaFile, size_bytes: int) -> FileCredentials:
    with QUEUE.reserve(media.user_id, READING_BACK) as memory:
        return read_credentials(
            object_storage().probe_source(media.r2_key),
            content_type=media.mime_type,
            size_bytes=size_bytes,
            most_bytes=MAX_BYTES,
            limits=READING_BACK,
            memory=memory,
        )
