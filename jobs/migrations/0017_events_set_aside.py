"""An event that cannot be told is set aside, and none of an unknown type is taken in."""

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models
from django.db.models import Q

TYPES = ["requested", "started", "retrying", "requeued", "completed", "failed", "cancelled"]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("jobs", "0016_webhooks")]

    operations = [
        migrations.AddField(
            "event",
            "set_aside_at",
            models.DateTimeField(
                help_text="When the event was set aside, because it lacks data.", null=True
            ),
        ),
        AddConstraintNotValid(
            "event",
            models.CheckConstraint(condition=Q(type__in=TYPES), name="job_events_type_known"),
        ),
        ValidateConstraint("event", "job_events_type_known"),
    ]
