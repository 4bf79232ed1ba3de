"""Generate pictures from a prompt."""
