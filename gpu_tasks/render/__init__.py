"""Render timelines to films (docs/decisions/0013)."""
