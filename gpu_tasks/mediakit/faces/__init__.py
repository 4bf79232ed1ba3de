"""Faces in frames: where they are, their landmarks, their irises, and how to follow one."""
