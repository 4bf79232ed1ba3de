"""A small MongoDB server for development: the wire protocol over mongomock, kept on disk."""
