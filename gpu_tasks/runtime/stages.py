"""What a call is doing, as it tells with its progress."""

from enum import StrEnum


class Stage(StrEnum):
    """The runner knows what goes around an engine's work; an engine may say more of it."""

    LOADING = "loading"
    """The engine."""
    FETCHING = "fetching"
    """The files that the call reads."""
    RUNNING = "running"
    """The engine, which says no more."""
    READING = "reading"
    GENERATING = "generating"
    ENCODING = "encoding"
    UPLOADING = "uploading"
    """What it has made."""
