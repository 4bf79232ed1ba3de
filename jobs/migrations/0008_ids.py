from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.fields.json import KeyTransform


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("jobs", "0007_gpu_lanes_row_level_security")]

    operations = [
        AddIndexConcurrently(
            model_name="attempt",
            index=models.Index(
                fields=["call_id"],
                condition=models.Q(("call_id__isnull", False)),
                name="attempts_of_call",
            ),
        ),
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(
                KeyTransform("request_id", "data"),
                condition=models.Q(("data__has_key", "request_id")),
                name="events_of_request",
            ),
        ),
    ]
