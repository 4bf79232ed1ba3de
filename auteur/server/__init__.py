"""The HTTP server: an event loop handles connections, and a few threads run Django."""
