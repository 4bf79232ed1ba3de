"""Still pictures of a film, at even distances."""
