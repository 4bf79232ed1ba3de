"""Define the limits of imports (docs/security.md, "Imports by URL")."""

from datetime import timedelta

PURPOSE = "imports"
"""The purpose of the key that encrypts URLs."""
MAX_URL_LENGTH = 8000
"""Signed URLs are long. Many servers limit a request line to 8190 bytes."""
MAX_REDIRECTS = 5
HEAD_SECONDS = 30.0
"""The time to resolve the name and receive the response headers, for each redirection."""
IDLE_SECONDS = 30.0
"""The longest pause between two received bytes."""
PACE_SECONDS, PACE_BYTES = 60.0, 1024**2
"""A transfer must receive at least so many bytes in each period of so many seconds."""
TRY_SECONDS = 60 * 60
"""The longest transfer of a file that cannot be resumed. Others end after a time slice."""
TIME_SLICE_SECONDS = 5 * 60
TRANSFERS = 12
"""Concurrent transfers of a process, each in a thread with a database connection."""
SERVE_SECONDS = 12 * 60 * 60
"""The time after which a task starts no more imports: brokers want acknowledgements in a day."""
PART_BYTES = 5 * 1024**2
"""The smallest part that S3 accepts; each transfer keeps one in memory. Files with more than
`MAX_PARTS` of them have larger parts."""
MAX_PARTS = 1000
MAX_WAIT = timedelta(seconds=30)
"""When a user without a transfer has waited longer, another user's transfer is displaced."""
SHARED_PACE_SECONDS, SHARED_PACE_BYTES = 30.0, 256 * 1024
"""The displaced transfer is the slowest of a user with several. If no user has several, it is the
slowest, if it has received fewer bytes per second than this after so many seconds."""
MAX_DURATION = timedelta(hours=12)
"""The longest time from the request to the end. Unconfirmed uploads are swept after a day."""
RETRY_AFTER = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 120, 600))
"""The backoff after each try that failed because of the source."""
MAX_TRIES = len(RETRY_AFTER) + 1
READ_BYTES = 256 * 1024
NO_TIME = timedelta(0)
CHECK_SECONDS = 1.0
"""The interval between two checks whether the import was cancelled or displaced."""
