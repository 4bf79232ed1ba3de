"""Serve the endpoints for media files."""

from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.filters import FilteredListView
from auteur.core.api.idempotency import idempotent
from auteur.core.api.pagination import build_cursor_pagination
from auteur.core.api.requests import plan_name, user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.throttling import Cost
from auteur.core.api.views import APIView
from auteur.core.api.waiting import WAIT_SECONDS, answer_later
from media import imports, uploads
from media.access import get_media, list_media
from media.deletion import MediaInUseProblem, delete_media
from media.files import (
    UploadOverProblem,
    abort_upload,
    confirm_upload,
    request_upload,
    resume_upload,
)
from media.imports.limits import MAX_TRIES
from media.imports.requests import TooManyImportsProblem
from media.kinds import FILES, Kind, TooManyUploadsProblem
from media.models import MediaFile, MediaStatus, Upload
from media.quota import StorageQuotaExceededProblem
from media.serializers import (
    ConfirmedMediaSerializer,
    DeletionSerializer,
    MediaDetailSerializer,
    MediaFilter,
    MediaSerializer,
    NewImportSerializer,
    NewUploadSerializer,
    UploadSerializer,
)

DELETION = (
    "409 `media_in_use` where open jobs read it (`used_by`) or timelines show it (`shown_in`: each "
    "project's `project_id`, `name`, `clip_count` and first `clip_ids`). With `force=true`, only "
    "open jobs keep it: its clips stay on their timelines, marked `offline`."
)


class UploadUrlView(APIView):
    """Uploads into a project."""

    scopes: ClassVar = {"POST": Scope.MEDIA}
    costs: ClassVar = {"POST": Cost.UPLOAD}
    problems: ClassVar = {"POST": (*uploads.DECLARING, TooManyUploadsProblem)}

    @extend_schema(
        summary="Ask for an upload URL",
        description="PUT the bytes to `upload_url` with the `headers` of the answer, then confirm. "
        "A large file whose `size_bytes` is told comes in `parts`: PUT each stretch of it to its "
        "own `upload_url`, in any order and several at once, then confirm as well; nothing of the "
        "storage's answers is needed. 403 `storage_quota_exceeded` says how much room there is "
        "(`used_bytes`, `limit_bytes`); a told size keeps its room until the upload is confirmed, "
        "given up, or a day old; without one the most that we take of such files does "
        f"({settings.MAX_UNSIZED_UPLOAD_BYTES // 1024**2} MiB). 409 `too_many_uploads` while "
        f"{settings.MAX_OPEN_UPLOADS} are open.",
        request=NewUploadSerializer,
        responses={201: UploadSerializer},
    )
    @idempotent
    def post(self, request: Request, project_id: UUID) -> Response:
        """Create a media file that waits for its bytes."""
        serializer = NewUploadSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        upload = request_upload(
            user_id=user_id(request),
            project_id=project_id,
            plan=plan_name(request),
            **serializer.validated_data,
        )
        return Response(UploadSerializer(upload).data, status=status.HTTP_201_CREATED)


class ImportView(APIView):
    """Files that we fetch ourselves."""

    scopes: ClassVar = {"POST": Scope.MEDIA}
    costs: ClassVar = {"POST": Cost.UPLOAD}
    problems: ClassVar = {
        "POST": (StorageQuotaExceededProblem, TooManyUploadsProblem, TooManyImportsProblem)
    }

    @extend_schema(
        summary="Import a file by its URL",
        description="We fetch the file, and check it as an upload: read the media file until it is "
        "`ready` or `rejected`. Meanwhile it is `uploading`, its `import` says how much has come, "
        "and deleting it ends the import. `http` and `https`, files themselves: no web pages, no "
        "logins. The size that the server tells has to find room (else the file is rejected with "
        "`storage_quota_exceeded`); of a file whose size it does not tell we take "
        f"{settings.MAX_UNSIZED_UPLOAD_BYTES // 1024**2} MiB. A server that is away is asked "
        f"again, {MAX_TRIES} times in all. 409 `too_many_imports` while "
        f"{settings.MAX_OPEN_IMPORTS} are open.",
        request=NewImportSerializer,
        responses={202: ConfirmedMediaSerializer},
    )
    @idempotent
    def post(self, request: Request, project_id: UUID) -> Response:
        """Create a media file that is fetched from a URL."""
        serializer = NewImportSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        media = imports.start_import(
            user_id=user_id(request), project_id=project_id, **serializer.validated_data
        )
        return Response({"media": MediaSerializer(media).data}, status=status.HTTP_202_ACCEPTED)


class UploadView(APIView):
    """An upload on its way."""

    scopes: ClassVar = {"GET": Scope.MEDIA, "DELETE": Scope.MEDIA}
    problems: ClassVar = {
        "GET": (UploadOverProblem,),
        "DELETE": (UploadOverProblem, MediaInUseProblem),
    }

    @extend_schema(
        summary="Resume an upload",
        description="Which parts have arrived, and fresh URLs for all else that is to be sent. 409 "
        "`upload_over` where the upload has been confirmed or only waits for it.",
        responses=UploadSerializer,
    )
    def get(self, request: Request, project_id: UUID, media_id: UUID) -> Response:
        """Return the parts that the storage has, and new URLs for the others."""
        upload = resume_upload(user_id=user_id(request), project_id=project_id, media_id=media_id)
        return Response(UploadSerializer(upload).data)

    @extend_schema(
        summary="Give an upload up",
        description="The media file goes, with all that has arrived of it.",
        responses={204: None},
    )
    def delete(self, request: Request, project_id: UUID, media_id: UUID) -> Response:
        """Abort the upload, unless it is over."""
        abort_upload(user_id=user_id(request), project_id=project_id, media_id=media_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ConfirmView(APIView):
    """The end of an upload."""

    scopes: ClassVar = {"POST": Scope.MEDIA}
    problems: ClassVar = {"POST": uploads.CONFIRMING}

    @extend_schema(
        summary="Confirm an upload",
        description="The parts are joined and the file is checked. 200 with the checked media file "
        f"where that takes at most {WAIT_SECONDS:g} s, and 409 `upload_rejected` with a `reason` "
        "where the file is refused: it is removed, upload another. 202 with the `status` "
        "`checking` where the check takes longer. There is no need to wait for its end: jobs for "
        "the file are accepted meanwhile. To see the end, confirm again or read the media file. "
        "422 `upload_incomplete` says which parts are missing (`missing_parts`).",
        request=None,
        responses={200: ConfirmedMediaSerializer, 202: ConfirmedMediaSerializer},
    )
    def post(self, request: Request, project_id: UUID, media_id: UUID) -> Response:
        """Request the check of the upload."""
        media = confirm_upload(
            user_id=user_id(request),
            project_id=project_id,
            media_id=media_id,
            plan=plan_name(request),
        )
        return Response(
            {"media": MediaSerializer(media).data},
            status=confirmation_status(request, FILES, media),
        )


@extend_schema_view(
    get=extend_schema(summary="List all your media, newest first", parameters=[MediaFilter])
)
class MediaListView(FilteredListView[MediaFile]):
    """All media of the user."""

    scopes: ClassVar = {"GET": Scope.READ}
    serializer_class = MediaSerializer
    pagination_class = build_cursor_pagination("media")
    filter_class = MediaFilter
    queryset = MediaFile.objects.none()

    def rows(self) -> QuerySet[MediaFile]:
        """Return the user's media, or those in the project of the URL."""
        media = list_media(user_id=user_id(self.request), project_id=self.kwargs.get("project_id"))
        return media.select_related("url_import")


@extend_schema_view(
    get=extend_schema(summary="List a project's media, newest first", parameters=[MediaFilter])
)
class ProjectMediaListView(MediaListView):
    """The media of a project."""


class MediaView(APIView):
    """One media file, wherever it belongs."""

    scopes: ClassVar = {"GET": Scope.READ, "DELETE": Scope.MEDIA}
    problems: ClassVar = {"DELETE": (MediaInUseProblem,)}

    @extend_schema(summary="Read a media file", responses=MediaDetailSerializer)
    def get(self, request: Request, media_id: UUID, project_id: UUID | None = None) -> Response:
        """With a URL to download it from."""
        media = get_media(user_id=user_id(request), media_id=media_id, project_id=project_id)
        return Response(MediaDetailSerializer(media).data)

    @extend_schema(
        summary="Delete a media file",
        description=DELETION,
        parameters=[DeletionSerializer],
        responses={204: None},
    )
    def delete(self, request: Request, media_id: UUID, project_id: UUID | None = None) -> Response:
        """Delete the media file permanently, unless an open job or a timeline uses it."""
        serializer = DeletionSerializer(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        delete_media(
            user_id=user_id(request),
            media_id=media_id,
            project_id=project_id,
            force=serializer.validated_data["force"],
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema_view(
    get=extend_schema(summary="Read a project's media file"),
    delete=extend_schema(summary="Delete a project's media file"),
)
class ProjectMediaView(MediaView):
    """One media file of a project."""


def confirmation_status(request: Request, kind: Kind[Any], row: Upload) -> int:
    """Return the HTTP status of the response about a confirmed upload.

    During the check, the server may delay the response for a moment and look again.
    """
    if row.status == MediaStatus.READY:
        return status.HTTP_200_OK
    if row.status == MediaStatus.CHECKING:
        answer_later(request, row_id=row.pk, find_ended=kind.find_checked)
    return status.HTTP_202_ACCEPTED
