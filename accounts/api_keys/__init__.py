"""API keys: bearers that a user gives to programs, with scopes and caps (docs/decisions/0037)."""
