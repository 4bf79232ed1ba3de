"""Store and check what users upload: media files, voices, imports and their objects."""
