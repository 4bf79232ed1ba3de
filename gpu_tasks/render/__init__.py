"""Rendering: a timeline becomes a film (docs/decisions/0013)."""
