"""Speech in sound: where somebody speaks, and whose voice it is."""
