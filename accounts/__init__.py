"""Who you are: users, plans, tokens and the profile."""
