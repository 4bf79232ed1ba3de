"""What you bring: media files, uploads, object storage and probing."""
