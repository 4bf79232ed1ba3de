"""At its commit each balance is what its account's last ledger row says (docs/decisions/0036).

The triggers are deferred, for a movement writes the account before its ledger row. They read by the
unique index of an account's rows. Rows are never updated or deleted, so what a trigger has seen to
be right stays right.
"""

from django.db import migrations

# Of an account that was moved: the ledger has its new balance under its new number, and numbers
# only rise. So a balance can neither change without a row, nor go back to that of an earlier one. A
# new account is empty. (Each version of the account is checked, for a transaction may move it often.)
ACCOUNTS = """
CREATE FUNCTION credits_follow_the_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.user_id, NEW.seq, NEW.balance) = (OLD.user_id, OLD.seq, OLD.balance)
           OR NEW.user_id = OLD.user_id AND NEW.seq > OLD.seq AND EXISTS (
               SELECT FROM credit_transactions
               WHERE user_id = NEW.user_id AND seq = NEW.seq AND balance_after = NEW.balance) THEN
            RETURN NULL;
        END IF;
    ELSIF NEW.seq = 0 AND NEW.balance = 0 THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'a balance changes by a ledger row alone'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE CONSTRAINT TRIGGER follow_the_ledger
    AFTER INSERT OR UPDATE OF user_id, balance, seq ON credits
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION credits_follow_the_ledger();
"""
ACCOUNTS_UNDO = """
DROP TRIGGER follow_the_ledger ON credits;
DROP FUNCTION credits_follow_the_ledger();
"""

# Of a new row: it comes after the row before it, and its account has moved at least as far.
ROWS = """
CREATE FUNCTION credit_transactions_move_a_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before bigint;
    counted bigint;
BEGIN
    SELECT (SELECT balance_after FROM credit_transactions
            WHERE user_id = NEW.user_id AND seq = NEW.seq - 1),
           (SELECT seq FROM credits WHERE user_id = NEW.user_id)
    INTO before, counted;
    IF NEW.balance_after = coalesce(before, 0) + NEW.amount
       AND (before IS NOT NULL OR NEW.seq = 1) AND counted >= NEW.seq THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'a ledger row moves its account''s balance by its amount'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE CONSTRAINT TRIGGER move_a_balance
    AFTER INSERT ON credit_transactions
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION credit_transactions_move_a_balance();
"""
ROWS_UNDO = """
DROP TRIGGER move_a_balance ON credit_transactions;
DROP FUNCTION credit_transactions_move_a_balance();
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0007_lists")]

    operations = [
        migrations.RunSQL(ACCOUNTS, ACCOUNTS_UNDO),
        migrations.RunSQL(ROWS, ROWS_UNDO),
    ]
