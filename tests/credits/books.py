"""Books that do not add up, for tests of what finds them."""

from django.db import connection


def stop_comparing_books() -> None:
    """Let the test's transaction write balances and ledger rows that do not add up.

    Only the owner of the tables can. The triggers are back when the transaction is rolled back.
    """
    with connection.cursor() as cursor:
        # A table with deferred checks cannot be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE credits DISABLE TRIGGER follow_the_ledger")
        cursor.execute("ALTER TABLE credit_transactions DISABLE TRIGGER move_a_balance")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
