"""Partners, what they ask for, and what of theirs is set aside (decision 35)."""

import uuid

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


def closed(table):
    return migrations.RunSQL(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "__first__"),
        ("jobs", "0019_api_usage"),
    ]

    operations = [
        migrations.CreateModel(
            name="Partner",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                (
                    "name",
                    models.CharField(
                        max_length=50,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9][a-z0-9-]{0,49}\\Z", "Small letters, digits and -."
                            )
                        ],
                    ),
                ),
                ("is_active", models.BooleanField(default=True)),
                (
                    "transport",
                    models.CharField(
                        choices=[
                            ("kafka", "Kafka"),
                            ("redis", "Redis Streams"),
                            ("amqp", "AMQP (RabbitMQ)"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "connection",
                    models.BinaryField(
                        help_text="The address of the broker and our login, encrypted."
                    ),
                ),
                (
                    "transcribe_topic",
                    models.CharField(
                        default="Transcribe",
                        help_text="The topic that is read for videos to transcribe.",
                        max_length=200,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9._-]{1,200}\\Z", "Letters, digits, dots, _ and -."
                            )
                        ],
                    ),
                ),
                (
                    "transcribed_topic",
                    models.CharField(
                        default="update_transcribe",
                        help_text="The topic to which transcripts are written.",
                        max_length=200,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9._-]{1,200}\\Z", "Letters, digits, dots, _ and -."
                            )
                        ],
                    ),
                ),
                (
                    "transcribe_failed_topic",
                    models.CharField(
                        default="transcribe_failed",
                        help_text="The topic to which failures are written.",
                        max_length=200,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9._-]{1,200}\\Z", "Letters, digits, dots, _ and -."
                            )
                        ],
                    ),
                ),
                (
                    "compress_topic",
                    models.CharField(
                        default="Compress",
                        help_text="The topic that is read for videos to compress.",
                        max_length=200,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9._-]{1,200}\\Z", "Letters, digits, dots, _ and -."
                            )
                        ],
                    ),
                ),
                (
                    "compressed_topic",
                    models.CharField(
                        default="finish_compress",
                        help_text="The topic to which addresses of compressed videos are written.",
                        max_length=200,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9._-]{1,200}\\Z", "Letters, digits, dots, _ and -."
                            )
                        ],
                    ),
                ),
                (
                    "compress_failed_topic",
                    models.CharField(
                        default="compress_failed",
                        help_text="The topic to which failures are written.",
                        max_length=200,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9._-]{1,200}\\Z", "Letters, digits, dots, _ and -."
                            )
                        ],
                    ),
                ),
                (
                    "dead_letter_topic",
                    models.CharField(
                        default="auteur_dead_letters",
                        help_text="The topic to which messages are written that are not requests.",
                        max_length=200,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9._-]{1,200}\\Z", "Letters, digits, dots, _ and -."
                            )
                        ],
                    ),
                ),
                (
                    "group",
                    models.CharField(
                        default="auteur",
                        help_text="The consumer group with which we read.",
                        max_length=100,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9._-]{1,200}\\Z", "Letters, digits, dots, _ and -."
                            )
                        ],
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        default="en",
                        help_text="The language of the videos (ISO 639-1). Answers state the "
                        "recognized one.",
                        max_length=8,
                    ),
                ),
                (
                    "captions_folder",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="The folder of the captions, before `videos/`. Only one "
                        "partner may have none.",
                        max_length=100,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9][A-Za-z0-9_-]*\\Z", "Letters, digits, _ and -."
                            )
                        ],
                    ),
                ),
                (
                    "keeps_sources",
                    models.BooleanField(
                        default=False,
                        help_text="Keep fetched videos in the account after the answer.",
                    ),
                ),
                (
                    "max_message_bytes",
                    models.IntegerField(
                        default=65536,
                        help_text="The limit of messages that are read.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1048576),
                        ],
                    ),
                ),
                (
                    "max_answer_bytes",
                    models.IntegerField(
                        default=1000000,
                        help_text="The limit of messages that are written, which the broker must "
                        "accept.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(67108864),
                        ],
                    ),
                ),
                (
                    "max_open_requests",
                    models.IntegerField(
                        default=100,
                        help_text="The limit of concurrent requests. Others wait in the broker.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(10000),
                        ],
                    ),
                ),
                (
                    "url_hosts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=253),
                        blank=True,
                        default=list,
                        help_text="Where its videos may lie, separated by commas: names, or .example.com for all below it. None: anywhere on the public internet.",
                        size=None,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "user",
                    models.ForeignKey(
                        help_text="The account that owns its media and pays for its jobs.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "partners",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("transport__in", ["kafka", "redis", "amqp"])),
                        name="partners_transport_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("max_answer_bytes__gte", 1),
                            ("max_message_bytes__gte", 1),
                            ("max_message_bytes__lte", 1048576),
                            ("max_open_requests__gte", 1),
                        ),
                        name="partners_limits_sane",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("coordinates", models.CharField(max_length=255)),
                ("topic", models.CharField(max_length=255)),
                ("reason", models.TextField()),
                ("size_bytes", models.IntegerField()),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="dead_letters",
                        to="jobs.partner",
                    ),
                ),
            ],
            options={
                "db_table": "partner_dead_letters",
                "indexes": [
                    models.Index(fields=["created_at"], name="partner_dead_letters_by_age")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("partner", "coordinates"), name="partner_dead_letters_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PartnerRequest",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[("transcribe", "Transcribe"), ("compress", "Compress")],
                        max_length=20,
                    ),
                ),
                ("video_id", models.CharField(max_length=128)),
                (
                    "coordinates",
                    models.CharField(
                        help_text="The place of the message in the broker.", max_length=255
                    ),
                ),
                (
                    "source",
                    models.TextField(
                        help_text="The URL without its query, which may hold secrets."
                    ),
                ),
                ("url_hash", models.BinaryField(max_length=32)),
                (
                    "url",
                    models.BinaryField(
                        help_text="The complete URL, encrypted, until it is requested.", null=True
                    ),
                ),
                (
                    "target",
                    models.CharField(
                        blank=True, help_text="The target of the compression.", max_length=20
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("received", "Received"),
                            ("importing", "Importing"),
                            ("working", "Working"),
                            ("answering", "Answering"),
                            ("answered", "Answered"),
                        ],
                        default="received",
                        max_length=20,
                    ),
                ),
                ("holder", models.CharField(max_length=255, null=True)),
                (
                    "due_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="When the request is due; while it is claimed, when the holder "
                        "counts as lost.",
                        null=True,
                    ),
                ),
                (
                    "tries",
                    models.SmallIntegerField(
                        default=0, help_text="The number of lost tries of this step."
                    ),
                ),
                ("media_id", models.UUIDField(help_text="The fetched file.", null=True)),
                ("job_id", models.UUIDField(null=True)),
                (
                    "result_id",
                    models.UUIDField(help_text="The media of the answer.", null=True),
                ),
                (
                    "token",
                    models.CharField(
                        help_text="By which anybody may read the result.",
                        max_length=64,
                        null=True,
                        unique=True,
                    ),
                ),
                (
                    "answer_mark",
                    models.TextField(
                        help_text="The end of the topic before the first try to send the answer.",
                        null=True,
                    ),
                ),
                (
                    "answer_tried_at",
                    models.DateTimeField(
                        help_text="The time of the last try to send the answer.", null=True
                    ),
                ),
                ("error_code", models.CharField(max_length=50, null=True)),
                ("error_message", models.TextField(null=True)),
                ("is_retryable", models.BooleanField(null=True)),
                (
                    "balance",
                    models.IntegerField(
                        help_text="The balance, if credits were missing.", null=True
                    ),
                ),
                ("required", models.IntegerField(null=True)),
                (
                    "trouble",
                    models.TextField(
                        help_text="Why the request waits, if not for its job.", null=True
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("answered_at", models.DateTimeField(null=True)),
                (
                    "partner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="requests",
                        to="jobs.partner",
                    ),
                ),
            ],
            options={
                "db_table": "partner_requests",
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)),
                        fields=["partner", "due_at"],
                        name="partner_requests_due",
                    ),
                    models.Index(fields=["partner", "video_id"], name="partner_requests_of_video"),
                    models.Index(fields=["-created_at", "-id"], name="partner_requests_newest"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("partner", "coordinates"), name="partner_requests_one_per_message"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("error_code", None)),
                        fields=("partner", "kind", "video_id", "url_hash"),
                        name="partner_requests_one_per_video",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind__in", ["transcribe", "compress"]),
                            (
                                "state__in",
                                ["received", "importing", "working", "answering", "answered"],
                            ),
                        ),
                        name="partner_requests_words_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("due_at", None),
                                ("holder", None),
                                ("state", "answered"),
                                ("url", None),
                            ),
                            models.Q(
                                models.Q(("state", "answered"), _negated=True),
                                ("due_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="partner_requests_due_or_over",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "received"), ("url__isnull", False)),
                            models.Q(models.Q(("state", "received"), _negated=True), ("url", None)),
                            _connector="OR",
                        ),
                        name="partner_requests_url_until_asked",
                    ),
                ],
            },
        ),
        closed("partners"),
        closed("partner_requests"),
        closed("partner_dead_letters"),
    ]
