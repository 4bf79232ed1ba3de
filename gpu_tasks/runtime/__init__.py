"""Run one call, from its payload to its outputs: contracts, engines, backends, and reports."""
