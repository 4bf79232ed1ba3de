"""Questions about a film, answered with the times that show it."""
