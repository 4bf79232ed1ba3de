"""Check and store voice samples that users upload, with the consent of the speaker."""
