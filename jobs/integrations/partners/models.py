"""Store partners, their requests and dead letters."""

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from auteur.core import encryption
from auteur.core.database.keys import new_id
from gpu_tasks.transcription.contract import WHISPER_LANGUAGES
from jobs.integrations.partners.transports.base import MAX_MESSAGE_BYTES

PURPOSE = "partners"
"""The purpose for which connections and video addresses are encrypted."""
MAX_VIDEO_ID_LENGTH = 128
MAX_COORDINATES_LENGTH = 255
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,49}")
TOPIC = re.compile(r"[A-Za-z0-9._-]{1,200}")
"""The names that Kafka accepts. Redis accepts them as well."""
HOST = re.compile(r"\.?[a-z0-9-]+(?:\.[a-z0-9-]+)*")


class TransportKind(models.TextChoices):
    """The kind of a partner's broker."""

    KAFKA = "kafka", "Kafka"
    REDIS = "redis", "Redis Streams"


class Kind(models.TextChoices):
    """The kind of work that a partner requests."""

    TRANSCRIBE = "transcribe", "Transcribe"
    COMPRESS = "compress", "Compress"


class State(models.TextChoices):
    """The state of a request. An error is answered like a result."""

    RECEIVED = "received", "Received"
    IMPORTING = "importing", "Importing"
    WORKING = "working", "Working"
    ANSWERING = "answering", "Answering"
    ANSWERED = "answered", "Answered"


def _build_topic_field(default: str, help_text: str) -> "models.CharField[str, str]":
    return models.CharField(
        max_length=200,
        default=default,
        validators=[RegexValidator(rf"^{TOPIC.pattern}\Z", "Letters, digits, dots, _ and -.")],
        help_text=help_text,
    )


def _build_limit_field(
    default: int, maximum: int, help_text: str
) -> "models.IntegerField[int, int]":
    return models.IntegerField(
        default=default,
        validators=[MinValueValidator(1), MaxValueValidator(maximum)],
        help_text=help_text,
    )


class Partner(models.Model):
    """A platform with its account, broker, topics and limits."""

    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(
        max_length=50,
        unique=True,
        validators=[RegexValidator(rf"^{NAME.pattern}\Z", "Small letters, digits and -.")],
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The account that owns its media and pays for its jobs.",
    )
    is_active = models.BooleanField(default=True)
    transport = models.CharField(max_length=20, choices=TransportKind)
    connection = models.BinaryField(help_text="The address of the broker and our login, encrypted.")
    transcribe_topic = _build_topic_field(
        "Transcribe", "The topic that is read for videos to transcribe."
    )
    transcribed_topic = _build_topic_field(
        "update_transcribe", "The topic to which transcripts are written."
    )
    transcribe_failed_topic = _build_topic_field(
        "transcribe_failed", "The topic to which failures are written."
    )
    compress_topic = _build_topic_field(
        "Compress", "The topic that is read for videos to compress."
    )
    compressed_topic = _build_topic_field(
        "finish_compress", "The topic to which addresses of compressed videos are written."
    )
    compress_failed_topic = _build_topic_field(
        "compress_failed", "The topic to which failures are written."
    )
    dead_letter_topic = _build_topic_field(
        "auteur_dead_letters", "The topic to which messages are written that are not requests."
    )
    group = models.CharField(
        max_length=100,
        default="auteur",
        validators=[RegexValidator(rf"^{TOPIC.pattern}\Z", "Letters, digits, dots, _ and -.")],
        help_text="The consumer group with which we read.",
    )
    language = models.CharField(
        max_length=8,
        default="en",
        help_text="The language of the videos (ISO 639-1). Answers state the recognized one.",
    )
    captions_folder = models.CharField(
        max_length=100,
        unique=True,
        blank=True,
        default="",
        validators=[RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9_-]*\Z", "Letters, digits, _ and -.")],
        help_text="The folder of the captions, before `videos/`. Only one partner may have none.",
    )
    keeps_sources = models.BooleanField(
        default=False, help_text="Keep fetched videos in the account after the answer."
    )
    max_message_bytes = _build_limit_field(
        65_536, MAX_MESSAGE_BYTES, "The limit of messages that are read."
    )
    max_answer_bytes = _build_limit_field(
        1_000_000,
        64 * 1024**2,
        "The limit of messages that are written, which the broker must accept.",
    )
    max_open_requests = _build_limit_field(
        100, 10_000, "The limit of concurrent requests. Others wait in the broker."
    )
    url_hosts = ArrayField(
        models.CharField(max_length=253),
        blank=True,
        default=list,
        help_text="Where its videos may lie, separated by commas: names, or .example.com for all "
        "below it. None: anywhere on the public internet.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    TOPICS: ClassVar = (
        "transcribe_topic",
        "transcribed_topic",
        "transcribe_failed_topic",
        "compress_topic",
        "compressed_topic",
        "compress_failed_topic",
        "dead_letter_topic",
    )

    class Meta:
        app_label = "jobs"
        db_table = "partners"
        constraints: ClassVar = [
            models.CheckConstraint(
                # Rows may still name the removed AMQP transport (docs/decisions/0065).
                condition=Q(transport__in=[*TransportKind.values, "amqp"]),
                name="partners_transport_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    max_message_bytes__gte=1,
                    max_message_bytes__lte=MAX_MESSAGE_BYTES,
                    max_answer_bytes__gte=1,
                    max_open_requests__gte=1,
                ),
                name="partners_limits_sane",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Check topics, language and hosts.

        Topics that are read must not be written: an answer would arrive as a message.
        """
        names = [getattr(self, topic) for topic in self.TOPICS]
        read_topics = (self.transcribe_topic, self.compress_topic)
        if any(names.count(name) > 1 for name in read_topics):
            raise ValidationError(
                "A topic that is read cannot also be used as another topic. Choose different names."
            )
        if self.language not in WHISPER_LANGUAGES:
            raise ValidationError({"language": "Transcription does not support this language."})
        self.url_hosts = [host.strip().lower() for host in self.url_hosts if host.strip()]
        if invalid_hosts := [host for host in self.url_hosts if not HOST.fullmatch(host)]:
            raise ValidationError(
                {"url_hosts": f"These are not host names: {', '.join(invalid_hosts)}"}
            )

    @property
    def connection_settings(self) -> dict[str, Any]:
        """Return the broker's settings, with secrets. Raise ``UnreadableSecretError``."""
        values = json.loads(encryption.decrypt(self.connection, purpose=PURPOSE))
        return dict(values)

    @connection_settings.setter
    def connection_settings(self, values: Mapping[str, Any]) -> None:
        self.connection = encryption.encrypt(json.dumps(values).encode(), purpose=PURPOSE)


class PartnerRequest(models.Model):
    """A video that a partner has sent, until it is answered, and the outcome.

    ``holder``, ``due_at`` and ``tries`` have the meaning they have in `auteur.core.work.leases`.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="requests")
    kind = models.CharField(max_length=20, choices=Kind)
    video_id = models.CharField(max_length=MAX_VIDEO_ID_LENGTH)
    coordinates = models.CharField(
        max_length=MAX_COORDINATES_LENGTH, help_text="The place of the message in the broker."
    )
    source = models.TextField(help_text="The URL without its query, which may hold secrets.")
    url_hash = models.BinaryField(max_length=32)
    url = models.BinaryField(
        null=True, help_text="The complete URL, encrypted, until it is requested."
    )
    target = models.CharField(max_length=20, blank=True, help_text="The target of the compression.")
    state = models.CharField(max_length=20, choices=State, default=State.RECEIVED)
    holder = models.CharField(max_length=255, null=True)
    due_at = models.DateTimeField(
        null=True,
        db_default=Now(),
        help_text="When the request is due; while it is claimed, when the holder counts as lost.",
    )
    tries = models.SmallIntegerField(default=0, help_text="The number of lost tries of this step.")
    media_id = models.UUIDField(null=True, help_text="The fetched file.")
    job_id = models.UUIDField(null=True)
    result_id = models.UUIDField(null=True, help_text="The media of the answer.")
    token = models.CharField(
        max_length=64,
        null=True,
        unique=True,
        help_text="The token in plain text, until the request is answered.",
    )
    token_hash = models.BinaryField(
        max_length=32,
        null=True,
        help_text="SHA-256 of the token with which anybody can read the result.",
    )
    answer_mark = models.TextField(
        null=True, help_text="The end of the topic before the first try to send the answer."
    )
    answer_tried_at = models.DateTimeField(
        null=True, help_text="The time of the last try to send the answer."
    )
    error_code = models.CharField(max_length=50, null=True)
    error_message = models.TextField(null=True)
    is_retryable = models.BooleanField(null=True)
    balance = models.IntegerField(null=True, help_text="The balance, if credits were missing.")
    required = models.IntegerField(null=True)
    trouble = models.TextField(null=True, help_text="Why the request waits, if not for its job.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "jobs"
        db_table = "partner_requests"
        indexes: ClassVar = [
            models.Index(
                fields=["partner", "due_at"],
                condition=Q(due_at__isnull=False),
                name="partner_requests_due",
            ),
            models.Index(fields=["partner", "video_id"], name="partner_requests_of_video"),
            models.Index(fields=["-created_at", "-id"], name="partner_requests_newest"),
            models.Index(
                fields=["token_hash"],
                condition=Q(token_hash__isnull=False),
                name="partner_requests_by_token_hash",
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["partner", "coordinates"], name="partner_requests_one_per_message"
            ),
            # After a failure, the partner may request the video again.
            models.UniqueConstraint(
                fields=["partner", "kind", "video_id", "url_hash"],
                condition=Q(error_code=None),
                name="partner_requests_one_per_video",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=Kind.values, state__in=State.values),
                name="partner_requests_words_known",
            ),
            models.CheckConstraint(
                condition=Q(state=State.ANSWERED, due_at=None, holder=None, url=None)
                | (~Q(state=State.ANSWERED) & Q(due_at__isnull=False)),
                name="partner_requests_due_or_over",
            ),
            models.CheckConstraint(
                condition=Q(state=State.RECEIVED, url__isnull=False)
                | (~Q(state=State.RECEIVED) & Q(url=None)),
                name="partner_requests_url_until_asked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.video_id}"


class DeadLetter(models.Model):
    """A message that is not a request. The message is on the partner's dead-letter topic."""

    id = models.UUIDField(primary_key=True, default=new_id)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="dead_letters")
    coordinates = models.CharField(max_length=MAX_COORDINATES_LENGTH)
    topic = models.CharField(max_length=255)
    reason = models.TextField()
    size_bytes = models.IntegerField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        app_label = "jobs"
        db_table = "partner_dead_letters"
        indexes: ClassVar = [
            models.Index(fields=["created_at"], name="partner_dead_letters_by_age"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["partner", "coordinates"], name="partner_dead_letters_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.coordinates}"
