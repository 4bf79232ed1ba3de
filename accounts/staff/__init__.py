"""Staff: who signs in to the admin, with what, what they may, and what is kept of it."""
