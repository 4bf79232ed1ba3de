"""Publish streams for other systems from the event log (docs/decisions/0031)."""
