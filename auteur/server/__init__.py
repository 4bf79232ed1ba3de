"""What serves the API: slow peers are waited for without a thread, Django runs in a few threads."""
