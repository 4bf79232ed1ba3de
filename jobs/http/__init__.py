"""Serve the HTTP API of jobs."""
