"""What was archived, and how far each table has come."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

KEY_LENGTH = 100


class ArchivePart(models.Model):
    """An object with rows of one table: those after one key, up to another, that are due.

    Its row comes before the object, and goes after it; rows are deleted only once it is verified.
    At most one of a table is unfinished (index).
    """

    id = models.BigAutoField(primary_key=True)
    table = models.CharField(max_length=50)
    after = models.CharField(
        max_length=KEY_LENGTH, blank=True, help_text="The key before its first row's; not in it."
    )
    last = models.CharField(max_length=KEY_LENGTH, help_text="The key of its last row.")
    due_before = models.DateTimeField(help_text="What was over by then is in it.")
    object_key = models.CharField(max_length=512, unique=True)
    rows = models.IntegerField(null=True)
    size_bytes = models.BigIntegerField(null=True)
    verified_at = models.DateTimeField(
        null=True, help_text="When it was read back, and said what the table says."
    )
    finished_at = models.DateTimeField(null=True, help_text="When the walk went on behind it.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "archive_parts"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["table"],
                condition=models.Q(finished_at=None),
                name="archive_parts_one_unfinished",
            ),
        ]

    def __str__(self) -> str:
        return self.object_key


class ArchiveWalk(models.Model):
    """How far a table is archived."""

    table = models.CharField(max_length=50, primary_key=True)
    after = models.CharField(
        max_length=KEY_LENGTH, blank=True, default="", help_text="The last key that is done with."
    )
    next_at = models.DateTimeField(db_default=Now(), help_text="When it may go on.")

    class Meta:
        db_table = "archive_walks"

    def __str__(self) -> str:
        return f"{self.table} after {self.after}"
