"""The unique index of user and key finds a user's keys, too (docs/decisions/0046)."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("api", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            [
                migrations.RunSQL(
                    "DROP INDEX CONCURRENTLY IF EXISTS idempotency_keys_user_id_fe2a5406",
                    "CREATE INDEX CONCURRENTLY IF NOT EXISTS idempotency_keys_user_id_fe2a5406"
                    " ON idempotency_keys (user_id)",
                )
            ],
            [
                migrations.AlterField(
                    "idempotencykey",
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                )
            ],
        ),
        migrations.RunSQL(
            "ALTER TABLE idempotency_keys SET (autovacuum_vacuum_scale_factor = 0,"
            " autovacuum_vacuum_threshold = 5000)",
            "ALTER TABLE idempotency_keys RESET (autovacuum_vacuum_scale_factor,"
            " autovacuum_vacuum_threshold)",
        ),
    ]
