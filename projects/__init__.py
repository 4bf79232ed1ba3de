"""Store and edit projects: their timelines (edit decision lists) and transcripts."""
