"""Where calls run: on Modal, or on workers of our own; the only part of inference with Django."""
