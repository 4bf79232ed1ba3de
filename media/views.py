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
    "The answer is 409 `media_in_use` if open jobs read the file (`used_by`) or timelines show "
    "it (`shown_in`: `project_id`, `name`, `clip_count` and first `clip_ids` of each project). "
    "With `force=true`, only open jobs prevent the deletion: clips that show the file stay on "
    "their timelines, marked `offline`."
)


class UploadUrlView(APIView):
    """Begin uploads into a project."""

    scopes: ClassVar = {"POST": Scope.MEDIA}
    costs: ClassVar = {"POST": Cost.UPLOAD}
    problems: ClassVar = {"POST": (*uploads.DECLARE_PROBLEMS, TooManyUploadsProblem)}

    @extend_schema(
        summary="Begin an upload",
        description="Send the file with PUT to `upload_url`, with the `headers` of the answer, "
        "then confirm the upload. A large file with a declared `size_bytes` is sent in `parts`: "
        "send each range of bytes to its own `upload_url`, in any order and several at once, then "
        "confirm. Nothing of the storage's responses is needed. The answer is 403 "
        "`storage_quota_exceeded` if the quota is too small (`used_bytes`, `limit_bytes`). A "
        "declared size is reserved until the upload is confirmed, aborted or a day old. Without a "
        f"size, the limit of such files ({settings.MAX_UNSIZED_UPLOAD_BYTES // 1024**2} MiB) is "
        f"reserved. The answer is 409 `too_many_uploads` while {settings.MAX_OPEN_UPLOADS} "
        "uploads are open.",
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
    """Import files by URL."""

    scopes: ClassVar = {"POST": Scope.MEDIA}
    costs: ClassVar = {"POST": Cost.UPLOAD}
    problems: ClassVar = {
        "POST": (StorageQuotaExceededProblem, TooManyUploadsProblem, TooManyImportsProblem)
    }

    @extend_schema(
        summary="Import a file by its URL",
        description="The file is fetched and then checked like an upload: read the media file "
        "until it is `ready` or `rejected`. Meanwhile its status is `uploading`, `import` has the "
        "progress, and deleting it ends the import. The URL is `http` or `https` and leads to the "
        "file itself, not to a web page or a login. The size that the server states must fit the "
        "quota, otherwise the file is rejected with `storage_quota_exceeded`. If the server does "
        f"not state it, the limit is {settings.MAX_UNSIZED_UPLOAD_BYTES // 1024**2} MiB. If the "
        f"server does not answer, it is tried again, {MAX_TRIES} times in total. The answer is "
        f"409 `too_many_imports` while {settings.MAX_OPEN_IMPORTS} imports are open.",
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
    """Resume or abort an upload."""

    scopes: ClassVar = {"GET": Scope.MEDIA, "DELETE": Scope.MEDIA}
    problems: ClassVar = {
        "GET": (UploadOverProblem,),
        "DELETE": (UploadOverProblem, MediaInUseProblem),
    }

    @extend_schema(
        summary="Resume an upload",
        description="Returns the parts that have been received, and new URLs for the others. The "
        "answer is 409 `upload_over` if the upload is confirmed or only waits for its "
        "confirmation.",
        responses=UploadSerializer,
    )
    def get(self, request: Request, project_id: UUID, media_id: UUID) -> Response:
        """Return the parts that the storage has, and new URLs for the others."""
        upload = resume_upload(user_id=user_id(request), project_id=project_id, media_id=media_id)
        return Response(UploadSerializer(upload).data)

    @extend_schema(
        summary="Abort an upload",
        description="Deletes the media file, and the parts that were received.",
        responses={204: None},
    )
    def delete(self, request: Request, project_id: UUID, media_id: UUID) -> Response:
        """Abort the upload, unless it is over."""
        abort_upload(user_id=user_id(request), project_id=project_id, media_id=media_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ConfirmView(APIView):
    """Confirm uploads."""

    scopes: ClassVar = {"POST": Scope.MEDIA}
    problems: ClassVar = {"POST": uploads.CONFIRM_PROBLEMS}

    @extend_schema(
        summary="Confirm an upload",
        description="Joins the parts and checks the file. The answer is 200 with the checked "
        f"media file if that takes at most {WAIT_SECONDS:g} s, and 409 `upload_rejected` with a "
        "`reason` if the file is refused. A refused file is removed: upload another one. The "
        "answer is 202 with the `status` `checking` if the check takes longer. You need not wait "
        "for its end: jobs for the file are accepted meanwhile. To see the result, confirm again "
        "or read the media file. The answer is 422 `upload_incomplete` if parts are missing "
        "(`missing_parts`).",
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
            status=get_confirmation_status(request, FILES, media),
        )


@extend_schema_view(
    get=extend_schema(summary="List all your media, newest first", parameters=[MediaFilter])
)
class MediaListView(FilteredListView[MediaFile]):
    """List all media of the user."""

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
    """List the media of a project."""


class MediaView(APIView):
    """Read or delete a media file, in any project or in none."""

    scopes: ClassVar = {"GET": Scope.READ, "DELETE": Scope.MEDIA}
    problems: ClassVar = {"DELETE": (MediaInUseProblem,)}

    @extend_schema(summary="Read a media file", responses=MediaDetailSerializer)
    def get(self, request: Request, media_id: UUID, project_id: UUID | None = None) -> Response:
        """Return the media file, with a URL to download it."""
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
    """Read or delete a media file of a project."""


def get_confirmation_status(request: Request, kind: Kind[Any], row: Upload) -> int:
    """Return the HTTP status of the response about a confirmed upload.

    During the check, the server may delay the response for a moment and look again.
    """
    if row.status == MediaStatus.READY:
        return status.HTTP_200_OK
    if row.status == MediaStatus.CHECKING:
        answer_later(request, row_id=row.pk, find_ended=kind.find_checked)
    return status.HTTP_202_ACCEPTED
