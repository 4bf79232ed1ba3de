"""Answer questions about a film, with the times that show the answer."""
