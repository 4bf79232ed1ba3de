"""The table of calls on our own workers, which stands in for Modal's call queue."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from auteur.core.database.keys import new_id


class LocalCallState(models.TextChoices):
    """The state of a local call."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"


class LocalCall(models.Model):
    """One call of a GPU function; at most one per attempt (unique), claimed by compare-and-set."""

    id = models.UUIDField(primary_key=True, default=new_id)
    attempt_id = models.UUIDField(unique=True)
    function = models.CharField(max_length=50)
    engine = models.CharField(max_length=20)
    queue = models.CharField(max_length=50)
    payload = models.JSONField()
    state = models.CharField(max_length=20, choices=LocalCallState, default=LocalCallState.QUEUED)
    worker = models.CharField(max_length=255, blank=True, default="")
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    outcome = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "local_calls"
        indexes: ClassVar = [
            models.Index(
                fields=["finished_at"],
                condition=Q(finished_at__isnull=False),
                name="local_calls_ended",
            ),
            models.Index(
                fields=["queue", "created_at"],
                condition=Q(finished_at__isnull=True),
                name="local_calls_open",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=LocalCallState.values), name="local_calls_state_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.function} {self.state}"
