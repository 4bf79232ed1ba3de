"""The gaze redirection function."""
