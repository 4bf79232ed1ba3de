"""What one import may take (docs/security.md, "Imports by URL")."""

from datetime import timedelta

PURPOSE = "imports"
"""Of the encryption of addresses."""
MAX_URL_LENGTH = 8000
"""Signed addresses are long; lines of a request end at 8190."""
MAX_REDIRECTS = 5
HEAD_SECONDS = 30.0
"""From a name's resolution to the end of an answer's head, for each address of a redirection."""
IDLE_SECONDS = 30.0
"""Without a byte."""
PACE_SECONDS, PACE_BYTES = 60.0, 1024**2
"""So much at least has to come in so long."""
TRY_SECONDS = 60 * 60
"""Of a file that cannot be resumed; others make way for other users' after a turn."""
TURN_SECONDS = 5 * 60
TRANSFERS = 12
"""Of one process at once, each in a thread with a connection to the database."""
TAKING_SECONDS = 12 * 60 * 60
"""Then the process takes no more and begins anew: brokers want messages acknowledged in a day."""
PART_BYTES = 5 * 1024**2
"""Of a part, the least that S3 takes: each transfer keeps one in memory. Larger files than
`MAX_PARTS` of them have larger ones."""
MAX_PARTS = 1000
PATIENCE = timedelta(seconds=30)
"""A user without a transfer who has waited longer has one of others' ended,"""
SHARED_PACE_SECONDS, SHARED_PACE_BYTES = 30.0, 256 * 1024
"""of a user with several, else the slowest: below so many bytes a second, after a while."""
LONGEST = timedelta(hours=12)
"""From the request on, waiting included; uploads that are a day old are swept."""
RETRY_AFTER = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 120, 600))
"""After a try that came to nothing by the other side's fault."""
MAX_TRIES = len(RETRY_AFTER) + 1
READ_BYTES = 256 * 1024
NO_TIME = timedelta(0)
HEARD_SECONDS = 1.0
"""How long nobody looks whether the import is still wanted."""
