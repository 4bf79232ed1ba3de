"""Record consents to the use of voices and faces, and revoke them (docs/decisions/0040)."""
