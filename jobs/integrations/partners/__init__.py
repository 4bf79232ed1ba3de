"""Serve partners, which send us requests over brokers of their own (docs/partners.md)."""
