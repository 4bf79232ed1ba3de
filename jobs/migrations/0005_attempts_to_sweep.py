from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_fair_turns")]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="swept_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When the objects of one without a result were removed.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(
                condition=models.Q(
                    ("payload__isnull", False),
                    ("state__in", ("failed", "cancelled")),
                    ("swept_at__isnull", True),
                ),
                fields=["finished_at"],
                name="attempts_to_sweep",
            ),
        ),
    ]
