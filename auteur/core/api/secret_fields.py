"""Fields of responses that are secrets, which a stored response leaves out.

A serializer declares its secrets by these fields. `auteur.core.api.idempotency` looks for them.
"""

from collections.abc import Iterator
from typing import Any

from rest_framework import serializers


class OneTimeSecret(str):
    """A secret that we store as a hash only: a repeated response has null in its place."""

    __slots__ = ()


class SealedSecret(str):
    """A secret that a repeated response includes, for which it is stored encrypted.

    Signed URLs are such secrets: whoever has one can open it.
    """

    __slots__ = ()


class OneTimeSecretField(serializers.SerializerMethodField):
    """A secret that is shown once, as a method of the serializer returns it."""

    def to_representation(self, value: Any) -> OneTimeSecret | None:
        secret = super().to_representation(value)
        return OneTimeSecret(secret) if secret else None


class SecretURLField(serializers.URLField):
    """A signed URL, which grants access by itself, as an attribute of the object has it."""

    def to_representation(self, value: str) -> SealedSecret:
        return SealedSecret(super().to_representation(value))


class SecretMethodField(serializers.SerializerMethodField):
    """A secret that is stored encrypted, as a method of the serializer returns it."""

    def to_representation(self, value: Any) -> str | None:
        secret = super().to_representation(value)
        return SealedSecret(secret) if secret else secret


def has_secret(data: Any) -> bool:
    """Return True if the response contains a secret. It may be as large as a timeline."""
    return any(isinstance(value, OneTimeSecret | SealedSecret) for value in _iterate_leaves(data))


def redact(answer: Any, *kinds: type) -> Any:
    """Return a copy of the response with null in the place of each secret of these kinds."""
    if isinstance(answer, kinds):
        return None
    if isinstance(answer, dict):
        return {name: redact(value, *kinds) for name, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [redact(value, *kinds) for value in answer]
    return answer


def _iterate_leaves(data: Any) -> Iterator[Any]:
    branches = [[data]]
    while branches:
        for value in branches.pop():
            if isinstance(value, dict):
                branches.append(list(value.values()))
            elif isinstance(value, list | tuple):
                branches.append(list(value))
            elif type(value) is not str:  # Most values are plain strings, which are no secrets.
                yield value
