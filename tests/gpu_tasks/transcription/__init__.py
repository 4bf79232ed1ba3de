"""The transcription function."""
