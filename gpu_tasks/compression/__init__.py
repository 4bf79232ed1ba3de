"""Films and recordings made smaller: for the web, for an archive, or to a size."""
