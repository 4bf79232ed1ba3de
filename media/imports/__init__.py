"""Import files by URL: a worker fetches the file, which then becomes a normal upload.

The reasons are in docs/decisions/0033.
"""

from media.imports.requests import start_import

__all__ = ["start_import"]
