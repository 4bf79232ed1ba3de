"""Backends: what all of them promise, and what is Modal's own."""
