"""Generate films from a prompt."""
