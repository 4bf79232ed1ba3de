"""The endpoints about the user who asks."""

from typing import ClassVar, cast

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import profile
from accounts.models import User
from accounts.serializers import (
    ProfileChangesSerializer,
    ProfileSerializer,
    VerifiedTokenSerializer,
)
from auteur.api.scopes import Scope


class VerifyView(APIView):
    """Whether a token is good."""

    scopes: ClassVar = {"POST": Scope.READ}

    @extend_schema(
        summary="Verify an access token",
        description="The first valid token of a person makes their account.",
        request=None,
        responses=VerifiedTokenSerializer,
    )
    def post(self, request: Request) -> Response:
        """Say whose token it is; a bad one has been refused before."""
        return Response({"valid": True, "user_id": str(request.user.pk)})


class ProfileView(APIView):
    """The profile of the user who asks."""

    needs_account = False
    scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(summary="Read your profile", responses=ProfileSerializer)
    def get(self, request: Request) -> Response:
        """Profile, plan and balance."""
        return Response(ProfileSerializer(profile.read(user=cast(User, request.user))).data)

    @extend_schema(
        summary="Change your profile",
        request=ProfileChangesSerializer,
        responses=ProfileSerializer,
    )
    def patch(self, request: Request) -> Response:
        """Change name or picture, and answer the new profile."""
        changes = ProfileChangesSerializer(data=request.data)
        changes.is_valid(raise_exception=True)
        changed = profile.update(user=cast(User, request.user), **changes.validated_data)
        return Response(ProfileSerializer(changed).data)
