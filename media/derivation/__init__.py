"""Make derivatives of media: thumbnails, sprite strips and peaks (docs/decisions/0012)."""
