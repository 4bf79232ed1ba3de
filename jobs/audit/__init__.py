"""Audit the books: the ledger against the jobs, and the timelines against their projects."""
