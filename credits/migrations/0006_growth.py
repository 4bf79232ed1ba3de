"""The ledger at ten million jobs: ids, indexes, conditions, storage (docs/decisions/0046)."""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models
from django.db.models import Q

from auteur.core.database.conditions import OneOf
from auteur.core.database.keys import NewId, new_id

GIVEN_OR_TAKEN = ["subscription", "bonus", "purchase", "adjustment"]
ONCE_PER_JOB = models.UniqueConstraint(
    fields=["job", "type"],
    condition=Q(job__isnull=False),
    name="credit_transactions_once_per_job",
)
FITS = models.CheckConstraint(
    condition=Q(job__isnull=True, type="expiry", amount__lt=0)
    | Q(job__isnull=True) & Q(OneOf("type", GIVEN_OR_TAKEN))
    | Q(job__isnull=False, type="usage", amount__lt=0)
    | Q(job__isnull=False, type="refund", amount__gt=0),
    name="credit_transactions_fit_their_type",
)

STORAGE = """
ALTER TABLE credits SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000);
ALTER TABLE key_spending SET (fillfactor = 50);
ALTER TABLE credit_transactions SET (autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 200000);
"""
STORAGE_UNDO = """
ALTER TABLE credits RESET (fillfactor, autovacuum_vacuum_scale_factor,
    autovacuum_vacuum_threshold);
ALTER TABLE key_spending RESET (fillfactor);
ALTER TABLE credit_transactions RESET (autovacuum_vacuum_insert_scale_factor,
    autovacuum_vacuum_insert_threshold, autovacuum_analyze_scale_factor,
    autovacuum_analyze_threshold);
"""


def index_away(name, made):
    return migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", made)


def key(to, **options):
    return models.ForeignKey(
        to=to,
        on_delete=django.db.models.deletion.PROTECT,
        db_index=False,
        related_name="credit_transactions",
        **options,
    )


def ids(model, **options):
    return migrations.AlterField(
        model, "id", models.UUIDField(default=new_id, primary_key=True, serialize=False, **options)
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("credits", "0005_key_spending"),
        ("jobs", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        ids("credits", db_default=NewId()),
        ids("credittransaction", db_default=NewId()),
        ids("creditcorrection"),
        migrations.RunSQL(STORAGE, STORAGE_UNDO),
        AddConstraintNotValid("credittransaction", FITS),
        ValidateConstraint("credittransaction", FITS.name),
        migrations.RemoveConstraint("credittransaction", "credit_transactions_amount_fits_type"),
        # Where a row has a job, its type is usage or refund: one index says what two said.
        migrations.SeparateDatabaseAndState(
            [
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY credit_transactions_once_per_job"
                    " ON credit_transactions (job_id, type) WHERE job_id IS NOT NULL",
                    "DROP INDEX CONCURRENTLY credit_transactions_once_per_job",
                ),
            ],
            [migrations.AddConstraint("credittransaction", ONCE_PER_JOB)],
        ),
        migrations.SeparateDatabaseAndState(
            [
                index_away(
                    f"credit_transactions_one_{kind}_per_job",
                    f"CREATE UNIQUE INDEX CONCURRENTLY credit_transactions_one_{kind}_per_job"
                    f" ON credit_transactions (job_id) WHERE type = '{kind}'",
                )
                for kind in ("usage", "refund")
            ],
            [
                migrations.RemoveConstraint(
                    "credittransaction", f"credit_transactions_one_{kind}_per_job"
                )
                for kind in ("usage", "refund")
            ],
        ),
        # The keys themselves stay: Django would make them anew, and check all rows.
        migrations.SeparateDatabaseAndState(
            [
                index_away(
                    name,
                    f"CREATE INDEX CONCURRENTLY {name} ON credit_transactions ({column})",
                )
                for name, column in (
                    ("credit_transactions_user_id_5f2ef067", "user_id"),
                    ("credit_transactions_job_id_a4efbe84", "job_id"),
                )
            ],
            [
                migrations.AlterField("credittransaction", "user", key(settings.AUTH_USER_MODEL)),
                migrations.AlterField(
                    "credittransaction", "job", key("jobs.job", blank=True, null=True)
                ),
            ],
        ),
    ]
