"""What the ledger must never allow, whoever writes to it."""

from django.db import migrations

APPEND_ONLY = """
CREATE FUNCTION credit_transactions_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'credit_transactions is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON credit_transactions
    FOR EACH ROW EXECUTE FUNCTION credit_transactions_append_only();
"""
APPEND_ONLY_UNDO = """
DROP TRIGGER append_only ON credit_transactions;
DROP FUNCTION credit_transactions_append_only();
"""

REFUND_WITHIN_USAGE = """
CREATE FUNCTION credit_transactions_refund_within_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM credit_transactions
        WHERE job_id = NEW.job_id AND type = 'usage' AND user_id = NEW.user_id
          AND -amount >= NEW.amount
    ) THEN
        RAISE EXCEPTION 'a refund needs a usage row of the same job and user, at least as large'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refund_within_usage BEFORE INSERT ON credit_transactions
    FOR EACH ROW WHEN (NEW.type = 'refund')
    EXECUTE FUNCTION credit_transactions_refund_within_usage();
"""
REFUND_WITHIN_USAGE_UNDO = """
DROP TRIGGER refund_within_usage ON credit_transactions;
DROP FUNCTION credit_transactions_refund_within_usage();
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0001_initial")]

    operations = [
        migrations.RunSQL(APPEND_ONLY, APPEND_ONLY_UNDO),
        migrations.RunSQL(REFUND_WITHIN_USAGE, REFUND_WITHIN_USAGE_UNDO),
    ]
