"""Send the events of jobs to URLs that users have chosen (docs/decisions/0029)."""
