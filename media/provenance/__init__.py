"""Sign jobs' results with content credentials (C2PA), which state how they were made."""
