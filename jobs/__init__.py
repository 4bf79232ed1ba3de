"""Accept, run and end jobs: their attempts, events, credits and results."""
