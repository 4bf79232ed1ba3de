"""API keys: bearers for a user's own programs, with scopes and caps (docs/decisions/0037)."""
