"""Credits: balances, grants and the append-only ledger."""
