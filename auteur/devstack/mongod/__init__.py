"""A small MongoDB server for development: the wire protocol over mongomock, kept on disk.

Unmodified drivers connect to it as to a standalone `mongod` without authentication. Queries and
aggregation expressions are mongomock's; updates, projections, indexes and cursors are ours. What
neither can do is refused with MongoDB's error codes (238, NotImplemented, where a real server
would do it). Known to differ from a real server: a query for 0 or 1 also finds false or true,
and embedded documents match whatever the order of their fields.
"""
