"""Consents: voices and faces are used as long as their people agree (docs/decisions/0040)."""
