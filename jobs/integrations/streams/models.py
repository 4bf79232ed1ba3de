"""Store the use of the API until it is published."""

from django.db import models
from django.db.models.functions import Now


class ApiUsage(models.Model):
    """The number of a user's requests of one kind. The row is deleted when the sink has it."""

    user_id = models.UUIDField()
    route = models.CharField(max_length=200)
    method = models.CharField(max_length=10)
    status_class = models.CharField(
        max_length=3, help_text="The class of the answers' status: 2xx, 4xx."
    )
    requests = models.IntegerField()
    counted_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        app_label = "jobs"
        db_table = "api_usage"

    def __str__(self) -> str:
        return f"{self.method} {self.route}: {self.requests}"
