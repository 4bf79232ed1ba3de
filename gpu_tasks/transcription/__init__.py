"""Transcribe speech, with word times and speakers."""
