"""What API keys spend, and their caps (docs/decisions/0037)."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("credits", "0004_opening_grants")]

    operations = [
        migrations.CreateModel(
            name="KeySpending",
            fields=[
                ("api_key_id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "credits_per_day",
                    models.IntegerField(blank=True, help_text="Cap; null: none.", null=True),
                ),
                (
                    "credits_in_all",
                    models.IntegerField(blank=True, help_text="Cap; null: none.", null=True),
                ),
                ("day", models.DateField(help_text="The UTC day of `spent_today`.")),
                (
                    "spent_today",
                    models.BigIntegerField(
                        default=0, help_text="Credits spent on `day`, without refunded ones."
                    ),
                ),
                (
                    "spent",
                    models.BigIntegerField(
                        default=0, help_text="Credits spent in total, without refunded ones."
                    ),
                ),
            ],
            options={
                "db_table": "key_spending",
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(spent_today__gte=0, spent__gte=0),
                        name="key_spending_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=(Q(credits_per_day=None) | Q(credits_per_day__gte=0))
                        & (Q(credits_in_all=None) | Q(credits_in_all__gte=0)),
                        name="key_spending_caps_not_negative",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            "ALTER TABLE key_spending ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE key_spending DISABLE ROW LEVEL SECURITY",
        ),
    ]
