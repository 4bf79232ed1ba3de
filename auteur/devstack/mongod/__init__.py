"""A small MongoDB server for development: what `projects/` asks of one, on disk, and no more.

Unmodified drivers connect to it as to a standalone `mongod`. What it does not know (a command, an
option, an operator) it refuses by name with MongoDB's error codes.
"""
