"""Make a film's speaker say what another recording says."""
