"""What you ask for: jobs, their attempts, and the pipeline that brings each to one end."""
