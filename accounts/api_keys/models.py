"""The table of API keys, which stores a digest of each key and never its secret."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from auteur.core.api.scopes import Scope

SCOPES = [(scope.value, scope.value) for scope in Scope]
MAX_NAME_LENGTH = 100
PREFIX_LENGTH = 15
NETWORK_LENGTH = 43
"""The length of the longest IPv6 network."""


class ApiKey(models.Model):
    """An API key. A used key is never deleted, because jobs refer to it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="api_keys"
    )
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    prefix = models.CharField(max_length=PREFIX_LENGTH, help_text="The beginning of the key.")
    digest = models.BinaryField(unique=True, help_text="SHA-256 of the key.")
    scopes = ArrayField(models.CharField(max_length=20, choices=SCOPES))
    allowed_addresses = ArrayField(
        models.CharField(max_length=NETWORK_LENGTH), default=list, help_text="Empty: any."
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="With a precision of one minute."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "api_keys"
        verbose_name = "API key"
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at", "-id"], name="api_keys_of_user"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(
                    scopes__contained_by=[scope.value for scope in Scope], scopes__len__gt=0
                ),
                name="api_keys_scopes_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
