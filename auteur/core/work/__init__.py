"""Share work between processes: leases, liveness and the broker."""
