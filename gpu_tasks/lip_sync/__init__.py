"""Lip-sync: a film whose speaker says what another recording says."""
