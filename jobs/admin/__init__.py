"""Show jobs and what belongs to them in the admin."""
