"""Voices to speak with: samples that users bring, checked and kept with their consent."""
