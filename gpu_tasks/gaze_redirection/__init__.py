"""Redirect the gaze of a film's speaker to the camera."""
