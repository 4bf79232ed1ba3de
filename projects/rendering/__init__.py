"""Prepare the inputs of renders, and reuse stored render segments (docs/decisions/0013)."""
