"""Store webhook endpoints, their deliveries and delivery queues."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from auteur.core.database.keys import new_id
from auteur.core.net.outbound import MAX_URL_LENGTH

MAX_DESCRIPTION_LENGTH = 200


class DisabledReason(models.TextChoices):
    """The reason for which an endpoint is disabled."""

    OWNER = "owner"
    FAILING = "failing"
    GONE = "gone"


class DeliveryState(models.TextChoices):
    """The state of a delivery. It is waiting also while it is sent."""

    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class DeliveryError(models.TextChoices):
    """The reason for which a try has failed."""

    TIMEOUT = "timeout"
    NAME_NOT_RESOLVED = "name_not_resolved"
    CONNECTION_FAILED = "connection_failed"
    ADDRESS_REFUSED = "address_refused"
    URL_REFUSED = "url_refused"
    TLS_FAILED = "tls_failed"
    INVALID_ANSWER = "invalid_answer"
    REDIRECTED = "redirected"
    STATUS = "status"
    GONE = "gone"
    ENDPOINT_DISABLED = "endpoint_disabled"
    ENDPOINT_DELETED = "endpoint_deleted"
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - a code
    INTERNAL = "internal"


class WebhookEndpoint(models.Model):
    """A URL that receives a user's events. Without ``url`` it stands for the user's callbacks."""

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    url = models.CharField(max_length=MAX_URL_LENGTH, null=True)
    description = models.CharField(max_length=MAX_DESCRIPTION_LENGTH, blank=True, default="")
    events = ArrayField(
        models.CharField(max_length=50),
        default=list,
        help_text="The types of events that the endpoint receives; all if empty.",
    )
    secret = models.BinaryField(help_text="The current secret, encrypted.")
    previous_secret = models.BinaryField(null=True)
    previous_secret_expires_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=20, choices=DisabledReason, null=True)
    failing_since = models.DateTimeField(
        null=True, help_text="The first failed try since the last success."
    )
    verified_at = models.DateTimeField(
        null=True, help_text="When the owner proved to control the URL."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        app_label = "jobs"
        db_table = "webhook_endpoints"
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at", "-id"], name="webhooks_of_user"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(url=None), name="webhooks_one_for_callbacks"
            ),
            models.CheckConstraint(
                condition=Q(disabled_at=None, disabled_reason=None)
                | Q(disabled_at__isnull=False, disabled_reason__isnull=False),
                name="webhooks_disabled_have_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.url or "callbacks"


class WebhookDelivery(models.Model):
    """One event for one endpoint, with the outcome of the last try.

    ``holder``, ``due_at`` and ``tries`` have the meaning they have in `auteur.core.work.leases`.
    """

    id = models.UUIDField(
        primary_key=True, help_text="The `webhook-id`, which follows from endpoint and seq."
    )
    endpoint = models.ForeignKey(
        WebhookEndpoint,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="deliveries",
    )
    lane = models.UUIDField(help_text="The queue in which the delivery waits (`WebhookQueue`).")
    url = models.CharField(max_length=MAX_URL_LENGTH, null=True, help_text="The URL of a callback.")
    seq = models.BigIntegerField(null=True, help_text="The seq of the event; null for a ping.")
    job_id = models.UUIDField(null=True)
    type = models.CharField(max_length=50)
    body = models.TextField()
    state = models.CharField(max_length=20, choices=DeliveryState, default=DeliveryState.WAITING)
    holder = models.CharField(max_length=255, null=True)
    due_at = models.DateTimeField(
        null=True,
        help_text="When the delivery is due; while it is claimed, when the holder counts as lost.",
    )
    tries = models.SmallIntegerField(default=0)
    status = models.SmallIntegerField(null=True, help_text="The HTTP status of the last try.")
    duration_ms = models.IntegerField(null=True)
    error_code = models.CharField(max_length=50, null=True)
    request_headers = models.JSONField(
        null=True, help_text="The headers of the last request, without the signature."
    )
    answer = models.TextField(null=True, help_text="The beginning of the answer, as text.")
    tried_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        app_label = "jobs"
        db_table = "webhook_deliveries"
        verbose_name_plural = "webhook deliveries"
        indexes: ClassVar = [
            models.Index(fields=["endpoint", "-created_at", "-id"], name="deliveries_of_endpoint"),
            models.Index(
                fields=["lane", "due_at"],
                condition=Q(state=DeliveryState.WAITING),
                name="deliveries_waiting",
            ),
            models.Index(
                fields=["holder"], condition=Q(holder__isnull=False), name="deliveries_held"
            ),
            models.Index(fields=["created_at"], name="deliveries_by_age"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state=DeliveryState.WAITING, due_at__isnull=False)
                | (~Q(state=DeliveryState.WAITING) & Q(due_at=None, holder=None)),
                name="deliveries_waiting_are_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} ({self.state})"


class WebhookQueue(models.Model):
    """A delivery queue of an endpoint, or of some of a user's callback URLs.

    A trigger (`jobs/migrations`) creates the row and lowers ``next_due_at`` whenever deliveries are
    written. Claiming raises ``next_due_at``, or deletes the row if no delivery waits in the queue.
    """

    id = models.UUIDField(primary_key=True, help_text="The value of `lane` of the deliveries.")
    user_id = models.UUIDField(help_text="The user; the endpoint if that is deleted.")
    next_due_at = models.DateTimeField(help_text="The earliest time at which a delivery is due.")

    class Meta:
        app_label = "jobs"
        db_table = "webhook_queues"
        indexes: ClassVar = [
            models.Index(fields=["next_due_at"], name="webhook_queues_by_due"),
            models.Index(fields=["user_id"], name="webhook_queues_of_user"),
        ]

    def __str__(self) -> str:
        return str(self.id)
