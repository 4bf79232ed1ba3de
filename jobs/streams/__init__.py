"""Streams for others to listen to, written from the numbered log (docs/decisions/0031)."""
