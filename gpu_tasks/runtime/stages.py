"""The stages of a call, as it reports them with its progress."""

from enum import StrEnum


class Stage(StrEnum):
    """The runner knows what goes around an engine's work; an engine may say more of it."""

    LOADING = "loading"
    """Loading the engine."""
    FETCHING = "fetching"
    """Downloading the input files."""
    RUNNING = "running"
    """Running an engine that reports no finer stage."""
    READING = "reading"
    GENERATING = "generating"
    ENCODING = "encoding"
    UPLOADING = "uploading"
    """Storing the outputs."""
