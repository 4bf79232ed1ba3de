"""Each balance from before grants becomes one, a few accounts at a time; then all is checked."""

from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models, transaction

AT_ONCE = 500
FIRST = "00000000-0000-0000-0000-000000000000"
# In the order in which ends of jobs lock accounts. The trigger makes the grant.
OPEN = """
WITH next AS (
    SELECT user_id FROM credits WHERE user_id > %s ORDER BY user_id LIMIT %s FOR NO KEY UPDATE
),
opened AS (
    UPDATE credits SET wanted_parts = '[]' FROM next
    WHERE credits.user_id = next.user_id AND balance > 0 AND cardinality(grant_ids) = 0
)
SELECT user_id FROM next ORDER BY user_id DESC LIMIT 1
"""
VALIDATE = """
ALTER TABLE credits VALIDATE CONSTRAINT credits_balance_is_of_grants;
"""


def open_grants(apps, schema_editor):
    last = FIRST
    while last is not None:
        alias = schema_editor.connection.alias
        with transaction.atomic(using=alias), schema_editor.connection.cursor() as cursor:
            cursor.execute(OPEN, [last, AT_ONCE])
            last = next((user_id for (user_id,) in cursor.fetchall()), None)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("credits", "0003_grants")]

    operations = [
        migrations.RunPython(open_grants, migrations.RunPython.noop),
        migrations.RunSQL(VALIDATE, migrations.RunSQL.noop),
        ValidateConstraint("credittransaction", "credit_transactions_amount_fits_type"),
        AddIndexConcurrently(
            "credits",
            models.Index(
                models.Func("grant_expires_at", function="credits_next_expiry"),
                name="credits_by_next_expiry",
            ),
        ),
        AddIndexConcurrently(
            "credittransaction",
            models.Index(
                fields=["user"],
                condition=models.Q(type="adjustment"),
                name="credit_adjustments_of_user",
            ),
        ),
    ]
