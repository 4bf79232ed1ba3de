"""What you make: projects, their edit decision lists and transcripts."""
