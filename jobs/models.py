"""Jobs, their attempts and events.

``Job.status`` and ``Attempt.state`` are written in `jobs.lifecycle` and nowhere else. The database
enforces: an open job always has a ``wake_at`` and an ended one never (check), an
ended job never changes status again (trigger), attempt numbers are unique per job (index).
"""

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Now

from auteur.outbound import MAX_URL_LENGTH
from gpu_tasks.runtime.errors import ErrorCode
from jobs.events.contract import EventType
from jobs.partners.models import DeadLetter, Partner, PartnerRequest
from jobs.states import CLAIMED, ENDED, IN_POOL, OPEN, AttemptState, JobStatus
from jobs.streams.models import ApiUsage
from jobs.webhooks.models import WebhookDelivery, WebhookEndpoint

__all__ = [  # Django looks here for models
    "ApiUsage",
    "DeadLetter",
    "Partner",
    "PartnerRequest",
    "WebhookDelivery",
    "WebhookEndpoint",
]

PRICE_VERSION_LENGTH = 12


class Job(models.Model):
    """One piece of AI work that a user paid for."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID())
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="jobs"
    )
    project = models.ForeignKey(
        "projects.Project", on_delete=models.SET_NULL, null=True, blank=True, related_name="jobs"
    )
    type = models.CharField(max_length=50)
    gpu_class = models.CharField(max_length=20, help_text="Which pool admits it.")
    plan = models.CharField(
        max_length=50, null=True, blank=True, help_text="The user's, when it was asked for."
    )
    rank = models.BigIntegerField(
        default=0, db_default=0, help_text="Its place in the class's fair queue."
    )
    media_ids = ArrayField(
        models.UUIDField(), default=list, blank=True, help_text="The media it reads."
    )
    status = models.CharField(
        max_length=50, choices=JobStatus, default=JobStatus.PENDING, db_default=JobStatus.PENDING
    )
    credits_cost = models.IntegerField()
    credits_refunded = models.BooleanField(
        default=False, db_default=False, help_text="Wholly, or in part where it is completed."
    )
    price_version = models.CharField(
        max_length=PRICE_VERSION_LENGTH, help_text="Of the tariff that the price is by."
    )
    input_params = models.JSONField(null=True, blank=True, help_text="What its user gave.")
    derived_params = models.JSONField(
        null=True,
        blank=True,
        help_text="What it goes by besides: defaults, and what was found when it was asked for.",
    )
    output_data = models.JSONField(null=True, blank=True)
    error_code = models.CharField(
        max_length=50, choices=[(code, code) for code in ErrorCode], null=True, blank=True
    )
    error_message = models.TextField(null=True, blank=True)
    modal_task_id = models.CharField(
        max_length=255, null=True, blank=True, help_text="The last attempt's call."
    )
    progress = models.FloatField(default=0.0, db_default=0.0, help_text="Share done, 0 to 1.")
    attempt = models.ForeignKey(
        "Attempt",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The current attempt; an older one's reports have no effect.",
    )
    callback_url = models.CharField(
        max_length=MAX_URL_LENGTH, null=True, blank=True, help_text="Told of its end."
    )
    api_key_id = models.UUIDField(
        null=True, blank=True, help_text="The API key that submitted it, if one did."
    )
    retry_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="retries"
    )
    wake_at = models.DateTimeField(
        null=True, blank=True, db_default=Now(), help_text="When the orchestrator looks again."
    )
    start_deadline_at = models.DateTimeField(help_text="Fails if still pending then.")
    deadline_at = models.DateTimeField(
        null=True, blank=True, help_text="Fails if still processing then."
    )
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True, help_text="When it ended, however.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "jobs"
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at", "-id"], name="jobs_of_user"),
            models.Index(
                fields=["wake_at"],
                condition=Q(attempt__isnull=False, wake_at__isnull=False),
                name="jobs_to_wake",
            ),
            models.Index(
                fields=["gpu_class", "rank", "created_at"],
                condition=Q(status=JobStatus.PENDING, attempt__isnull=True),
                name="jobs_to_admit",
            ),
            models.Index(
                fields=["type", "-created_at"],
                condition=Q(status=JobStatus.COMPLETED),
                name="jobs_completed_lately",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(credits_cost__gte=0), name="jobs_cost_not_negative"),
            models.CheckConstraint(
                condition=Q(progress__gte=0, progress__lte=1), name="jobs_progress_is_a_share"
            ),
            models.CheckConstraint(
                condition=Q(status__in=OPEN, wake_at__isnull=False, completed_at__isnull=True)
                | Q(status__in=ENDED, wake_at__isnull=True, completed_at__isnull=False),
                name="jobs_open_have_wake_at",
            ),
            models.CheckConstraint(
                condition=Q(credits_refunded=False) | Q(credits_cost__gt=0, status__in=ENDED),
                name="jobs_refund_only_of_charged",
            ),
            models.CheckConstraint(
                condition=~Q(status=JobStatus.FAILED)
                | Q(error_code__isnull=False, error_message__isnull=False),
                name="jobs_failed_have_an_error",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"

    @property
    def parameters(self) -> dict[str, Any]:
        """All of them: given and derived. Jobs of before ``derived_params`` hold all as given."""
        return {**(self.derived_params or {}), **(self.input_params or {})}


class Attempt(models.Model):
    """One try at a job's inference."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="attempts")
    number = models.SmallIntegerField(help_text="Counted from 1.")
    state = models.CharField(max_length=20, choices=AttemptState, default=AttemptState.QUEUED)
    backend = models.CharField(max_length=100)
    engine = models.CharField(max_length=20)
    gpu_class = models.CharField(max_length=20)
    payload = models.JSONField(
        null=True, blank=True, help_text="What the call gets; files by key, not yet signed."
    )
    call_id = models.CharField(max_length=255, null=True, blank=True)
    progress = models.FloatField(default=0.0)
    progress_at = models.DateTimeField(
        null=True, blank=True, help_text="When its call last told something new."
    )
    stage = models.CharField(
        max_length=20, null=True, blank=True, help_text="What its call was doing then."
    )
    outcome = models.JSONField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True, help_text="The job's output, as collected.")
    used_credits = models.IntegerField(
        null=True, blank=True, help_text="What the result is worth of the job's price."
    )
    error_code = models.CharField(max_length=50, null=True, blank=True)
    error_message = models.TextField(null=True, blank=True)
    worker = models.CharField(
        max_length=255, null=True, blank=True, help_text="The worker child that holds it."
    )
    lease_expires_at = models.DateTimeField(
        null=True, blank=True, help_text="From claim; who holds it must be done by then."
    )
    publish_count = models.SmallIntegerField(
        default=0, help_text="Wake-ups sent for the present state."
    )
    crash_count = models.SmallIntegerField(
        default=0, help_text="Workers that were lost while they held it."
    )
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    claimed_at = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(
        null=True, blank=True, help_text="When its call came to a machine; null while it waits."
    )
    reported_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "job_attempts"
        indexes: ClassVar = [
            models.Index(
                fields=["stop_requested_at"],
                condition=Q(stop_requested_at__isnull=False, stopped_at__isnull=True),
                name="attempts_to_stop",
            ),
            models.Index(
                fields=["gpu_class"], condition=Q(state__in=IN_POOL), name="attempts_in_pool"
            ),
            models.Index(
                fields=["call_id"], condition=Q(call_id__isnull=False), name="attempts_of_call"
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "number"], name="attempts_number"),
            models.CheckConstraint(
                condition=Q(state__in=AttemptState.values), name="attempts_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=CLAIMED)
                | Q(worker__isnull=False, lease_expires_at__isnull=False),
                name="attempts_claimed_have_a_holder",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} ({self.state})"


class GpuPool(models.Model):
    """One row per GPU class, locked while its free places are counted and given out."""

    gpu_class = models.CharField(max_length=20, primary_key=True)
    clock = models.BigIntegerField(
        default=0, db_default=0, help_text="The highest rank that has been admitted."
    )

    class Meta:
        db_table = "gpu_pools"

    def __str__(self) -> str:
        return self.gpu_class


class FairQueueCursor(models.Model):
    """How far a user's jobs reach in the fair queue of a GPU class: the rank of their last one."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    gpu_class = models.CharField(max_length=20)
    rank = models.BigIntegerField()

    class Meta:
        db_table = "fair_queue_cursors"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "gpu_class"], name="fair_queue_cursors_one_per_user"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gpu_class}: {self.rank}"


class Event(models.Model):
    """What happened to a job, written in the same transaction, until it is numbered.

    The outbox of the numbered log (docs/decisions/0028). No foreign keys: they would lock two rows
    for each event, of tables that lose none.
    """

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(
        Job,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    type = models.CharField(max_length=50)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    set_aside_at = models.DateTimeField(null=True, help_text="It cannot be told as it stands.")

    class Meta:
        db_table = "job_events"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(type__in=[each.removeprefix("job.") for each in EventType]),
                name="job_events_type_known",
            ),
        ]

    def __str__(self) -> str:
        return self.type


class UserEvent(models.Model):
    """A row of the numbered log: gapless and hash-chained per user (docs/decisions/0028)."""

    position = models.BigIntegerField(
        primary_key=True, help_text="Ascending over all users, in the order of commits."
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    seq = models.BigIntegerField(help_text="From 1, without gaps, for each user.")
    job = models.ForeignKey(
        Job,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="events",
    )
    type = models.CharField(max_length=50)
    data = models.JSONField(help_text="What clients are told: jobs/events/contract.py.")
    internal = models.JSONField(default=dict, help_text="What staff may know besides.")
    hash = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(help_text="When it happened.")

    class Meta:
        db_table = "user_events"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "seq"], name="user_events_one_per_seq"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["job", "seq"], name="user_events_of_job"),
            models.Index(
                KeyTransform("request_id", "internal"),
                condition=Q(internal__has_key="request_id"),
                name="user_events_of_request",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seq}: {self.type}"


class EventHead(models.Model):
    """The last event of a user; it stays when the events are removed."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        primary_key=True,
        db_constraint=False,
        related_name="+",
    )
    seq = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        db_table = "event_heads"

    def __str__(self) -> str:
        return str(self.seq)


class EventCursor(models.Model):
    """How far a reader of the whole log is; whoever holds the row's lock is that reader.

    A reader that has to wait for others holds no lock but a lease: it is named in the row.
    """

    name = models.CharField(max_length=50, primary_key=True)
    position = models.BigIntegerField(default=0)
    holder = models.CharField(max_length=255, null=True, blank=True)
    held_until = models.DateTimeField(
        null=True, blank=True, help_text="Then the holder is lost, if it has been silent."
    )
    standing = models.JSONField(
        null=True, blank=True, help_text="How what it writes to stands, as it last told."
    )
    standing_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "event_cursors"

    def __str__(self) -> str:
        return f"{self.name}: {self.position}"


class RunningCancel(models.Model):
    """A user's cancel of a job whose call had begun; a few a day are refunded (`jobs.cancels`)."""

    job = models.OneToOneField(Job, on_delete=models.PROTECT, primary_key=True, related_name="+")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    refunded = models.BooleanField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "running_cancels"
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at"], name="running_cancels_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}: {'refunded' if self.refunded else 'not refunded'}"


class WorkerHeartbeat(models.Model):
    """One row per living worker child; unseen for `heartbeat.LOST_AFTER` means lost."""

    name = models.CharField(max_length=255, primary_key=True)
    beat_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "worker_heartbeats"

    def __str__(self) -> str:
        return self.name
