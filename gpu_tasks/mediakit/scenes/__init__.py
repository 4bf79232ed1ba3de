"""Pictures drawn from the words of a prompt, still and moving: what draft engines show."""
