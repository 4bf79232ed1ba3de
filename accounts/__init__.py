"""Users, plans, tokens, API keys, billing, staff, closings and exports."""
