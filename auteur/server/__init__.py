"""The HTTP server: one event loop waits for slow peers, a few threads run Django."""
