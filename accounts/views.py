"""The endpoints about the user who sends the request."""

from typing import Any, ClassVar, cast

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import closing, profile
from accounts.closing.requests import StaffAccountProblem
from accounts.exporting import requests
from accounts.models import AccountExport, User
from accounts.serializers import (
    ClosingSerializer,
    ExportSerializer,
    NewExportSerializer,
    ProfileChangesSerializer,
    ProfileSerializer,
    VerifiedTokenSerializer,
)
from accounts.signup import AccountDeletedProblem
from auteur.core.api.idempotency import idempotent
from auteur.core.api.problems import NotFoundProblem
from auteur.core.api.scopes import Scope
from auteur.core.api.views import APIView


class VerifyView(APIView):
    """The endpoint that verifies an access token."""

    scopes: ClassVar = {"POST": Scope.READ}
    for_closed_accounts = True

    @extend_schema(
        summary="Verify an access token",
        description="The first valid token of a person creates their account.",
        request=None,
        responses=VerifiedTokenSerializer,
    )
    def post(self, request: Request) -> Response:
        """Return the token's user; the authentication has already refused invalid tokens."""
        return Response({"valid": True, "user_id": str(request.user.pk)})


class ProfileView(APIView):
    """The endpoint of the requesting user's profile."""

    needs_account = False
    scopes: ClassVar = {"GET": Scope.READ}
    problems: ClassVar = {"DELETE": (StaffAccountProblem,)}

    @extend_schema(summary="Read your profile", responses=ProfileSerializer)
    def get(self, request: Request) -> Response:
        """Return the profile with plan and balance."""
        return Response(ProfileSerializer(profile.read_profile(user=cast(User, request.user))).data)

    @extend_schema(
        summary="Change your profile",
        request=ProfileChangesSerializer,
        responses=ProfileSerializer,
    )
    def patch(self, request: Request) -> Response:
        """Change name or picture, and return the new profile."""
        serializer = ProfileChangesSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        new_profile = profile.update_profile(
            user=cast(User, request.user), **serializer.validated_data
        )
        return Response(ProfileSerializer(new_profile).data)

    @extend_schema(
        summary="Close your account",
        description="Open jobs are cancelled, with the refunds of your own cancels, and nothing "
        "new is accepted. Until `closing_at` the account can be read, exported and restored. Then "
        "it is erased with all projects, media and voices. 409 `staff_account` for staff.",
        request=None,
        responses={202: ClosingSerializer},
    )
    def delete(self, request: Request) -> Response:
        """Close the account; a repetition changes nothing."""
        closing_at = closing.request_closing(user=cast(User, request.user))
        return Response(ClosingSerializer({"closing_at": closing_at}).data, status=202)


class RestoreView(APIView):
    """The endpoint that restores a closed account."""

    needs_account = False
    for_closed_accounts = True
    problems: ClassVar = {"POST": (AccountDeletedProblem,)}

    @extend_schema(
        summary="Restore your account",
        description="Jobs and unpaid plans that were cancelled stay cancelled. The renewal of a "
        "plan resumes within about a minute. An account that is not closed stays unchanged. 403 "
        "`account_deleted` if the account was erased.",
        request=None,
        responses=ProfileSerializer,
    )
    def post(self, request: Request) -> Response:
        """Restore the account and return its profile, without `closing_at`."""
        user = closing.restore_account(user=cast(User, request.user))
        return Response(ProfileSerializer(profile.read_profile(user=user)).data)


class ExportView(APIView):
    """The endpoint of the export of all data of an account."""

    needs_account = False
    for_closed_accounts = True
    problems: ClassVar = {
        "POST": (requests.ExportOpenProblem,),
        "GET": (NotFoundProblem,),
        "DELETE": (NotFoundProblem,),
    }

    @extend_schema(
        summary="Export your data",
        description="Starts to make a zip archive with your profile, projects with timelines, "
        "media, voices, jobs, transactions and events as JSON lines; with `include: [media]` also "
        "the files. It replaces an earlier export. 409 `export_open` while one is being made.",
        request=NewExportSerializer,
        responses={202: ExportSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Create an export."""
        serializer = NewExportSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        export = requests.create_export(user=cast(User, request.user), **serializer.validated_data)
        return Response(_serialize_export(export), status=202)

    @extend_schema(
        summary="Read the state of your export",
        description="It has a `download_url` when its status is `ready`. 404 if there is no "
        "export, or it has expired.",
        responses=ExportSerializer,
    )
    def get(self, request: Request) -> Response:
        """Return the export's state, and its URL once it is ready."""
        return Response(_serialize_export(requests.get_export(user=cast(User, request.user))))

    @extend_schema(summary="Delete your export", responses={204: None})
    def delete(self, request: Request) -> Response:
        """Delete the export, even while it is being made."""
        requests.delete_users_export(user=cast(User, request.user))
        return Response(status=204)


def _serialize_export(export: AccountExport) -> Any:
    values = {
        "id": export.pk,
        "status": export.status,
        "progress": export.progress,
        "include": [requests.MEDIA] if export.with_media else [],
        "size_bytes": export.file_size_bytes,
        "created_at": export.created_at,
        "expires_at": export.expires_at,
        "download_url": requests.build_download_url(export),
    }
    return ExportSerializer(values).data
