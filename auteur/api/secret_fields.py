"""Fields of answers that are secrets: what is stored of an answer leaves them out.

A serializer declares its secrets by these fields, and `auteur.api.idempotency` asks for them.
"""

from collections.abc import Iterator
from typing import Any

from rest_framework import serializers


class OneTimeSecret(str):
    """A secret of which we keep a hash: a repeated answer has null in its place."""

    __slots__ = ()


class SealedSecret(str):
    """A secret that a repeated answer has again, for which it is stored encrypted.

    Among them are URLs that are themselves the permission for what they lead to.
    """

    __slots__ = ()


class OneTimeSecretField(serializers.SerializerMethodField):
    """A secret that is shown once, as a method of the serializer returns it."""

    def to_representation(self, value: Any) -> OneTimeSecret | None:
        secret = super().to_representation(value)
        return OneTimeSecret(secret) if secret else None


class SecretURLField(serializers.URLField):
    """A URL that is a permission, as an attribute of the object has it."""

    def to_representation(self, value: str) -> SealedSecret:
        return SealedSecret(super().to_representation(value))


class SecretMethodField(serializers.SerializerMethodField):
    """A secret that is stored encrypted, as a method of the serializer returns it."""

    def to_representation(self, value: Any) -> str | None:
        secret = super().to_representation(value)
        return SealedSecret(secret) if secret else secret


def has_secret(answer: Any) -> bool:
    """Return True if a secret of any kind is in the answer. It may be as large as a timeline."""
    return any(isinstance(value, OneTimeSecret | SealedSecret) for value in _leaves(answer))


def redact(answer: Any, *kinds: type) -> Any:
    """Return a copy of the answer with null in the place of each secret of these kinds."""
    if isinstance(answer, kinds):
        return None
    if isinstance(answer, dict):
        return {name: redact(value, *kinds) for name, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [redact(value, *kinds) for value in answer]
    return answer


def _leaves(answer: Any) -> Iterator[Any]:
    branches = [[answer]]
    while branches:
        for value in branches.pop():
            if isinstance(value, dict):
                branches.append(list(value.values()))
            elif isinstance(value, list | tuple):
                branches.append(list(value))
            elif type(value) is not str:  # most values by far, and no secret
                yield value
