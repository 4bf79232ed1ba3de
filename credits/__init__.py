"""What you have: balances and the append-only ledger."""
