"""The video query function."""
