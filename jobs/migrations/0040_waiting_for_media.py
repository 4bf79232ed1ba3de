"""Jobs that wait for media to be checked: their index, and why one of them may fail."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q

CODES = [
    "GPU_OOM",
    "GPU_TIMEOUT",
    "GPU_UNAVAILABLE",
    "INPUT_INVALID",
    "MODEL_ERROR",
    "STORAGE_ERROR",
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "INSUFFICIENT_CREDITS",
]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("jobs", "0039_lost_attempts")]

    operations = [
        migrations.AlterField(
            "job",
            "error_code",
            models.CharField(
                blank=True, choices=[(code, code) for code in CODES], max_length=50, null=True
            ),
        ),
        migrations.AlterField(
            "job",
            "gpu_class",
            models.CharField(
                help_text="The pool that admits the job; `media` while its media is being checked.",
                max_length=20,
            ),
        ),
        AddIndexConcurrently(
            "job",
            models.Index(
                fields=["wake_at"],
                condition=Q(status="pending", attempt__isnull=True, gpu_class="media"),
                name="jobs_waiting_for_media",
            ),
        ),
    ]
