"""`/api-keys`. It refuses API keys: a key can neither create another key nor widen itself."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_keys import keys
from accounts.api_keys.models import ApiKey
from accounts.api_keys.serializers import (
    ApiKeyQuery,
    ApiKeySerializer,
    ApiKeyWithSecretSerializer,
    NewApiKeySerializer,
)
from auteur.core.api.idempotency import idempotent
from auteur.core.api.pagination import build_cursor_pagination
from auteur.core.api.requests import user_id
from auteur.core.api.views import APIView, ListAPIView
from credits import spending


class ApiKeysView(ListAPIView[ApiKey]):
    """`/api-keys`."""

    needs_account = True
    problems: ClassVar = {"POST": (keys.TooManyKeysProblem,)}
    serializer_class = ApiKeySerializer
    pagination_class = build_cursor_pagination("api_keys")
    queryset = ApiKey.objects.none()

    @extend_schema(summary="List your API keys, newest first", parameters=[ApiKeyQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return a page of keys, including revoked ones."""
        page: Any = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(_serialize_keys(page))

    @extend_schema(
        summary="Create an API key",
        description="For your own programs. Its requests count as yours, within its scopes, caps "
        f"and addresses. Only this answer contains the `key`. You can have {keys.MAX_KEYS} keys "
        "(409 `too_many_api_keys`).",
        request=NewApiKeySerializer,
        responses={201: ApiKeyWithSecretSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Create a key."""
        serializer = NewApiKeySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        new_key = keys.create_key(user_id=user_id(request), **serializer.validated_data)
        context = {"key": new_key.key, "spending": spending.list_spending([new_key.row.pk])}
        answer = ApiKeyWithSecretSerializer(new_key.row, context=context).data
        return Response(answer, status=status.HTTP_201_CREATED)

    def get_queryset(self) -> QuerySet[ApiKey]:
        """Return the user's keys whose prefix begins as requested."""
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        query = ApiKeyQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        prefix = query.validated_data.get("prefix", "")
        return keys.list_keys(user_id(self.request)).filter(prefix__startswith=prefix)


class ApiKeyView(APIView):
    """`/api-keys/:id`."""

    needs_account = True
    problems: ClassVar = {"PATCH": (keys.KeyRevokedProblem,)}

    @extend_schema(summary="Read an API key", responses=ApiKeySerializer)
    def get(self, request: Request, key_id: UUID) -> Response:
        """Return the key, without its secret."""
        return _build_response(keys.get_key(user_id=user_id(request), key_id=key_id))

    @extend_schema(
        summary="Change an API key",
        description="Fields that are left out stay as they are, and so does the secret. 409 "
        "`api_key_revoked` if the key was revoked.",
        request=NewApiKeySerializer(partial=True),
        responses=ApiKeySerializer,
    )
    def patch(self, request: Request, key_id: UUID) -> Response:
        """Change the key and return it."""
        serializer = NewApiKeySerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        key = keys.update_key(
            user_id=user_id(request), key_id=key_id, changes=serializer.validated_data
        )
        return _build_response(key)

    @extend_schema(
        summary="Revoke an API key",
        description="The key is refused from now on. Its jobs continue. Upload URLs that it was "
        "given stay valid for 15 minutes, but this key can no longer confirm the upload.",
        responses={204: None},
    )
    def delete(self, request: Request, key_id: UUID) -> Response:
        """Revoke the key, which stays listed."""
        keys.revoke_key(user_id=user_id(request), key_id=key_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _build_response(key: ApiKey) -> Response:
    return Response(_serialize_keys([key])[0])


def _serialize_keys(page: list[ApiKey]) -> Any:
    context = {"spending": spending.list_spending(key.pk for key in page)}
    return ApiKeySerializer(page, many=True, context=context).data
