"""Clone a performance: animate a portrait by the face of a film."""
