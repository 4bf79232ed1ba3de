"""A Modal control plane on loopback, at Modal's own wire protocol, for the unmodified client."""
