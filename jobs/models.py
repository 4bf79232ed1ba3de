"""Store jobs, their attempts and events.

``Job.status`` and ``Attempt.state`` are written in `jobs.lifecycle` and nowhere else. The database
enforces three rules: an open job always has a ``wake_at`` and an ended one never (check), an ended
job never changes its status (trigger), and attempt numbers are unique per job (index).
"""

from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q, Value
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Coalesce, Now

from auteur.core.database.conditions import OneOf
from auteur.core.database.keys import NewId, new_id
from auteur.core.database.ordering import TimeAtUtc
from auteur.core.net.outbound import MAX_URL_LENGTH
from gpu_tasks.runtime.errors import ErrorCode
from jobs.event_contract import EventType
from jobs.states import CLAIMED, ENDED, MEDIA_CLASS, OPEN, AttemptState, JobStatus

PRICE_VERSION_LENGTH = 12


class Job(models.Model):
    """One piece of AI work that a user paid for."""

    id = models.UUIDField(primary_key=True, default=new_id, db_default=NewId())
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="jobs"
    )
    project = models.ForeignKey(
        "projects.Project",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="jobs",
    )
    type = models.CharField(max_length=50)
    gpu_class = models.CharField(
        max_length=20,
        help_text="The pool that admits the job; `media` while its media is being checked.",
    )
    plan = models.CharField(
        max_length=50, null=True, blank=True, help_text="The plan of the user at the submission."
    )
    rank = models.BigIntegerField(
        default=0, db_default=0, help_text="The position in the fair queue of the class."
    )
    media_ids = ArrayField(
        models.UUIDField(), default=list, blank=True, help_text="The media that the job reads."
    )
    status = models.CharField(
        max_length=50, choices=JobStatus, default=JobStatus.PENDING, db_default=JobStatus.PENDING
    )
    credits_cost = models.IntegerField()
    credits_refunded = models.BooleanField(
        default=False,
        db_default=False,
        help_text="True if the price was refunded, of a completed job in part.",
    )
    price_version = models.CharField(
        max_length=PRICE_VERSION_LENGTH, help_text="The version of the tariff."
    )
    input_params = models.JSONField(
        null=True, blank=True, help_text="The parameters that the user gave."
    )
    derived_params = models.JSONField(
        null=True,
        blank=True,
        help_text="Derived parameters: defaults, and properties found at the submission.",
    )
    output_data = models.JSONField(null=True, blank=True)
    error_code = models.CharField(
        max_length=50, choices=[(code, code) for code in ErrorCode], null=True, blank=True
    )
    error_message = models.TextField(null=True, blank=True)
    modal_task_id = models.CharField(
        max_length=255, null=True, blank=True, help_text="The call of the last attempt."
    )
    progress = models.FloatField(
        default=0.0, db_default=0.0, help_text="The completed share, from 0 to 1."
    )
    attempt = models.ForeignKey(
        "Attempt",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        help_text="The current attempt. Reports of older attempts have no effect.",
    )
    callback_url = models.CharField(
        max_length=MAX_URL_LENGTH,
        null=True,
        blank=True,
        help_text="The URL that is notified of the end.",
    )
    api_key_id = models.UUIDField(
        null=True, blank=True, help_text="The API key that submitted the job, if any."
    )
    retry_of = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="retries",
    )
    wake_at = models.DateTimeField(
        null=True,
        blank=True,
        db_default=Now(),
        help_text="When the job is due for the orchestrator.",
    )
    start_deadline_at = models.DateTimeField(
        help_text="The job fails if it is still pending at this time."
    )
    deadline_at = models.DateTimeField(
        null=True, blank=True, help_text="The job fails if it is still processing at this time."
    )
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(
        null=True, blank=True, help_text="The time of the end, with any status."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "jobs"
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at", "-id"], name="jobs_of_user"),
            models.Index(
                fields=["user", "-created_at", "-id"],
                condition=Q(status__in=OPEN),
                name="jobs_open_of_user",
            ),
            models.Index(
                fields=["retry_of"], condition=Q(retry_of__isnull=False), name="jobs_retrying"
            ),
            models.Index(
                fields=["attempt"], condition=Q(attempt__isnull=False), name="jobs_of_attempt"
            ),
            models.Index(
                fields=["wake_at"],
                condition=Q(attempt__isnull=False, wake_at__isnull=False),
                name="jobs_to_wake",
            ),
            models.Index(
                fields=["gpu_class", "type", "rank", "created_at"],
                condition=Q(status=JobStatus.PENDING, attempt__isnull=True),
                name="jobs_to_admit_by_type",
            ),
            models.Index(
                *("gpu_class", "type", "user_id", Coalesce("plan", Value("")), "rank"),
                "created_at",
                condition=Q(status=JobStatus.PENDING, attempt__isnull=True),
                name="jobs_to_admit_by_user",
            ),
            models.Index(
                fields=["start_deadline_at"],
                condition=Q(status=JobStatus.PENDING, attempt__isnull=True),
                name="jobs_pending_deadlines",
            ),
            models.Index(
                fields=["wake_at"],
                condition=Q(status=JobStatus.PENDING, attempt__isnull=True, gpu_class=MEDIA_CLASS),
                name="jobs_waiting_for_media",
            ),
            models.Index(
                fields=["user", "status", "-created_at", "-id"],
                condition=Q(status__in=[JobStatus.FAILED, JobStatus.CANCELLED]),
                name="jobs_unsuccessful_of_user",
            ),
            models.Index(
                fields=["user", "type", "-created_at", "-id"], name="jobs_of_user_by_type"
            ),
            models.Index(
                fields=["project", "-created_at", "-id"],
                condition=Q(project__isnull=False),
                name="jobs_of_project",
            ),
            # For lists of all users' jobs, which staff read.
            models.Index(TimeAtUtc("created_at").desc(), name="jobs_lately"),
            models.Index(
                "status",
                TimeAtUtc("created_at").desc(),
                condition=Q(status__in=[JobStatus.FAILED, JobStatus.CANCELLED]),
                name="jobs_unsuccessful_lately",
            ),
            models.Index(
                "error_code",
                TimeAtUtc("created_at").desc(),
                condition=Q(error_code__isnull=False),
                name="jobs_in_error_lately",
            ),
            models.Index(
                fields=["type", "status", "-created_at"],
                condition=Q(status__in=ENDED),
                name="jobs_ended_by_type",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(credits_cost__gte=0), name="jobs_cost_not_negative"),
            models.CheckConstraint(
                condition=Q(progress__gte=0, progress__lte=1), name="jobs_progress_is_a_share"
            ),
            # Each statement that writes jobs parses these anew, so they are short.
            models.CheckConstraint(
                condition=Q(wake_at__isnull=False, completed_at=None) & Q(OneOf("status", OPEN))
                | Q(wake_at=None, completed_at__isnull=False) & Q(OneOf("status", ENDED)),
                name="jobs_wake_while_open",
            ),
            models.CheckConstraint(
                condition=Q(credits_refunded=False)
                | Q(credits_cost__gt=0, completed_at__isnull=False),
                name="jobs_refunded_were_charged",
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
        """Return all parameters: given and derived. Old jobs store them all as given."""
        return {**(self.derived_params or {}), **(self.input_params or {})}


class Attempt(models.Model):
    """One try at a job."""

    id = models.UUIDField(primary_key=True, default=new_id)
    job = models.ForeignKey(Job, on_delete=models.PROTECT, db_index=False, related_name="attempts")
    number = models.SmallIntegerField(help_text="Counted from 1.")
    state = models.CharField(max_length=20, choices=AttemptState, default=AttemptState.QUEUED)
    backend = models.CharField(max_length=100)
    engine = models.CharField(max_length=20)
    gpu_class = models.CharField(max_length=20)
    payload = models.JSONField(
        null=True, blank=True, help_text="The input of the call, with files by key."
    )
    call_id = models.CharField(max_length=255, null=True, blank=True)
    progress = models.FloatField(default=0.0)
    progress_at = models.DateTimeField(
        null=True, blank=True, help_text="The time of the last new report of the call."
    )
    stage = models.CharField(
        max_length=20, null=True, blank=True, help_text="The stage that the call reported last."
    )
    outcome = models.JSONField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True, help_text="The collected output of the job.")
    used_credits = models.IntegerField(
        null=True, blank=True, help_text="The part of the price that the result is worth."
    )
    error_code = models.CharField(max_length=50, null=True, blank=True)
    error_message = models.TextField(null=True, blank=True)
    worker = models.CharField(
        max_length=255,
        null=True,
        blank=True,
        help_text="The worker child that has claimed the attempt.",
    )
    lease_expires_at = models.DateTimeField(
        null=True, blank=True, help_text="The end of the claim."
    )
    publish_count = models.SmallIntegerField(
        default=0, help_text="The number of wake-ups sent for the current state."
    )
    crash_count = models.SmallIntegerField(
        default=0, help_text="The number of workers that were lost with a claim on the attempt."
    )
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    claimed_at = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(
        null=True, blank=True, help_text="When a machine began the call; null while the call waits."
    )
    reported_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    waited = timedelta(0)
    """Time from its creation, or its report, to its claim, by PostgreSQL's clock. It is no column;
    `lifecycle.claim` sets it."""

    class Meta:
        db_table = "job_attempts"
        indexes: ClassVar = [
            models.Index(
                fields=["stop_requested_at"],
                condition=Q(stop_requested_at__isnull=False, stopped_at__isnull=True),
                name="attempts_to_stop",
            ),
            # The condition has no state, so that a new state updates no index.
            models.Index(
                fields=["gpu_class", "created_at"],
                condition=Q(finished_at=None),
                name="attempts_unfinished",
            ),
            models.Index(
                fields=["call_id"], condition=Q(call_id__isnull=False), name="attempts_of_call"
            ),
            models.Index(
                fields=["finished_at"],
                condition=Q(
                    error_code__in=[ErrorCode.GPU_UNAVAILABLE, ErrorCode.STORAGE_ERROR],
                    finished_at__isnull=False,
                ),
                name="attempts_lost",
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "number"], name="attempts_number"),
            models.CheckConstraint(
                condition=Q(OneOf("state", AttemptState.values)), name="attempts_in_a_state"
            ),
            models.CheckConstraint(
                condition=Q(worker__isnull=False, lease_expires_at__isnull=False)
                | ~Q(OneOf("state", CLAIMED)),
                name="attempts_claimed_are_held",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} ({self.state})"


class GpuPool(models.Model):
    """A GPU class, whose row is locked while its free capacity is counted and used."""

    gpu_class = models.CharField(max_length=20, primary_key=True)
    clock = models.BigIntegerField(
        default=0, db_default=0, help_text="The highest rank that has been admitted."
    )

    class Meta:
        db_table = "gpu_pools"

    def __str__(self) -> str:
        return self.gpu_class


class FairQueueCursor(models.Model):
    """The rank of a user's last job in the fair queue of a GPU class."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_index=False, related_name="+"
    )
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
    """An event of a job, written in the same transaction, until it is numbered.

    This is the outbox of the event log (docs/decisions/0028). It has no foreign keys: they would
    lock two rows for each event, in tables whose rows are not deleted.
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
    set_aside_at = models.DateTimeField(
        null=True, help_text="When the event was set aside, because it lacks data."
    )

    class Meta:
        db_table = "job_events"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(OneOf("type", [event.removeprefix("job.") for event in EventType])),
                name="job_events_of_a_type",
            ),
        ]

    def __str__(self) -> str:
        return self.type


class UserEvent(models.Model):
    """A row of the event log: gapless and hash-chained per user (docs/decisions/0028)."""

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
    data = models.JSONField(help_text="The data for clients (jobs/event_contract.py).")
    internal = models.JSONField(default=dict, help_text="Further data for staff.")
    hash = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(help_text="The time of the event.")

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
    """The head of a user's event log; it stays when the events are deleted."""

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


class EventEpoch(models.Model):
    """A part of the event log that began after a restore (docs/decisions/0061).

    The log begins in epoch 0, which has no row. Numbers of a later epoch are above all earlier
    numbers, including those that the restore has lost.
    """

    number = models.BigIntegerField(
        primary_key=True, help_text="Minutes from 2026 to its beginning, or one more than before."
    )
    first_position = models.BigIntegerField(help_text="The first position in this epoch.")
    started_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "event_epochs"

    def __str__(self) -> str:
        return str(self.number)


class EventCursor(models.Model):
    """The position of a reader of the whole log; the process that locks the row is that reader.

    A reader that has to wait for other services holds no lock but a lease: it is named in the row.
    """

    name = models.CharField(max_length=50, primary_key=True)
    position = models.BigIntegerField(default=0)
    holder = models.CharField(max_length=255, null=True, blank=True)
    held_until = models.DateTimeField(
        null=True, blank=True, help_text="The end of the holder's lease."
    )
    standing = models.JSONField(
        null=True, blank=True, help_text="The state of the streams, as reported last."
    )
    standing_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "event_cursors"

    def __str__(self) -> str:
        return f"{self.name}: {self.position}"


class SweepCursor(models.Model):
    """How far a sweep has read a table."""

    table = models.CharField(max_length=50, primary_key=True)
    after = models.CharField(
        max_length=100, blank=True, default="", help_text="The last key that is done with."
    )
    next_at = models.DateTimeField(db_default=Now(), help_text="When it may go on.")

    class Meta:
        db_table = "archive_walks"  # The archive, which is gone, had the same cursors.

    def __str__(self) -> str:
        return f"{self.table} after {self.after}"


class Circuit(models.Model):
    """The circuit of a feature or a backend, open while most work is lost (docs/decisions/0059)."""

    name = models.CharField(
        max_length=120, primary_key=True, help_text="feature:tts, backend:modal."
    )
    opened_at = models.DateTimeField(null=True, blank=True, help_text="Null while it is closed.")
    closed_at = models.DateTimeField(
        null=True, blank=True, help_text="Work that was lost before is not counted again."
    )
    error_code = models.CharField(
        max_length=50, default="", help_text="The most frequent error when the circuit was opened."
    )
    next_probe_at = models.DateTimeField(
        null=True, blank=True, help_text="When one attempt may be started."
    )
    probe_seconds = models.FloatField(default=0, help_text="The pause after the next probe.")
    probe_id = models.UUIDField(null=True, blank=True, help_text="The attempt that is the probe.")

    class Meta:
        db_table = "circuits"

    def __str__(self) -> str:
        return self.name


class KeptFigures(models.Model):
    """Figures that one process computes for all now and then: jobs by status, audit results."""

    name = models.CharField(max_length=50, primary_key=True)
    value = models.JSONField(null=True, help_text="The last figures; null before the first time.")
    found_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(db_default=Now(), help_text="When the figures are due again.")

    class Meta:
        db_table = "kept_figures"

    def __str__(self) -> str:
        return self.name


class AuditedAccount(models.Model):
    """An audited account: the last ledger row that was read, and the totals after it."""

    user_id = models.UUIDField(primary_key=True)
    seq = models.BigIntegerField(help_text="The last row that was read.")
    balance = models.BigIntegerField(help_text="The balance after this row.")
    remaining = models.JSONField(help_text="The remaining credits of each open grant, by its id.")
    last_grant = models.BigIntegerField(help_text="The highest id of its grants.")
    spent = models.JSONField(help_text="The spent credits of each API key, by its id.")

    class Meta:
        db_table = "audited_accounts"

    def __str__(self) -> str:
        return f"{self.user_id} up to {self.seq}"


class AuditFinding(models.Model):
    """A finding of the running audit, stored until the account or job is in order again."""

    id = models.BigAutoField(primary_key=True)
    subject_id = models.UUIDField(db_index=True, help_text="The account's user, or the job.")
    rule = models.CharField(max_length=50)
    user_id = models.UUIDField(null=True)
    job_id = models.UUIDField(null=True)
    expected = models.TextField()
    found = models.TextField()

    class Meta:
        db_table = "audit_findings"

    def __str__(self) -> str:
        return self.rule


class RunningCancel(models.Model):
    """The end of a started job without a result, which its user may have caused.

    A few a day are refunded (`jobs.cancels`).
    """

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
    """The heartbeat of a worker child; after `heartbeat.LOST_AFTER` without renewal it is lost."""

    name = models.CharField(max_length=255, primary_key=True)
    beat_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "worker_heartbeats"

    def __str__(self) -> str:
        return self.name
