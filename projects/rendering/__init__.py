"""What renders of a project are made of, and what of it is there already (decision 13)."""
