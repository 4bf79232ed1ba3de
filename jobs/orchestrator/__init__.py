"""Wakes what is due: admits, publishes, repairs, retries, gives up. Any number may run."""
