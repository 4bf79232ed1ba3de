"""Delete what jobs no longer need."""
