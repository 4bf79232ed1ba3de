"""Performance cloning: a portrait that moves as the face of a film does."""
