"""Events of jobs, sent to addresses that users chose (docs/decisions/0029)."""
