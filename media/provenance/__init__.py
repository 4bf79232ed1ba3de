"""Content credentials (C2PA): what results of jobs say of how they were made (decision 41)."""
