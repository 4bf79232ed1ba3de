"""Import by URL: a worker fetches the file, and then it is an upload like any other.

Why it is so: docs/decisions/0033.
"""

from media.imports.requests import start_import

__all__ = ["start_import"]
