"""Start and poll calls, on Modal or on our own workers; the only part of inference with Django."""
