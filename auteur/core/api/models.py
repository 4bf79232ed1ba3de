"""The table of idempotency keys."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class IdempotencyKey(models.Model):
    """An idempotency key of a user's request, with the response to it.

    Only `auteur.core.api.idempotency` writes it, in the transaction that does the request's work.
    So a row that other transactions can see always has its response.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_index=False, related_name="+"
    )
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64, help_text="Of method, path and body.")
    status = models.SmallIntegerField(null=True, help_text="Of the answer, as are the next two.")
    headers = models.JSONField(default=dict)
    body = models.TextField(null=True, help_text="The response body without secrets.")
    sealed_body = models.BinaryField(
        null=True, help_text="The encrypted response body with its secrets, if it has any."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "idempotency_keys"
        indexes: ClassVar = [models.Index(fields=["created_at"], name="idempotency_keys_to_forget")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "key"], name="idempotency_keys_of_user"),
        ]

    def __str__(self) -> str:
        return f"key of {self.created_at}"
