"""Lists of all users' ledger rows have their indexes (decision 47)."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("credits", "0006_growth")]

    operations = [
        AddIndexConcurrently(
            "credittransaction",
            models.Index(fields=["-created_at", "-seq"], name="credit_transactions_lately"),
        ),
        AddIndexConcurrently(
            "credittransaction",
            models.Index(
                fields=["type", "-created_at"],
                condition=~Q(type__in=["usage", "refund"]),
                name="credit_transactions_of_rare",
            ),
        ),
    ]
