"""What is made of media afterwards: thumbnails, sprite strips, peaks (docs/decisions/0012)."""
