"""Make file names that are valid on Windows, macOS and Linux."""

import re

from django.utils.http import content_disposition_header

MAX_BYTES = 255
"""The limit of Linux file systems, in bytes of UTF-8. Other systems allow more."""
MAX_EXTENSION_BYTES = 16
"""A longer text after the last dot is not treated as an extension."""
UNTITLED = "untitled"
FORBIDDEN = re.compile(r'\s*(?:[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]\s*)+')
"""Characters reserved by Windows, control characters, and those that disguise an extension."""
DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"]
)
"""Names that Windows reserves for devices, with any extension.

https://learn.microsoft.com/windows/win32/fileio/naming-a-file
"""


def make_portable(name: str) -> str:
    """Return the name with the fewest changes that make it valid, and with its extension."""
    cleaned = _clean(name)
    stem, dot, extension = cleaned.rpartition(".")
    if not dot or len(extension.encode()) > MAX_EXTENSION_BYTES:
        stem, extension = cleaned, ""
    suffix = f".{extension}" if extension else ""
    return make_portable_stem(stem, MAX_BYTES - len(suffix.encode())) + suffix


def make_portable_stem(text: str, max_bytes: int) -> str:
    """Return a valid name of at most ``max_bytes`` to which an extension can be added."""
    stem = _clean(text).lstrip(". ")
    if stem.partition(".")[0].rstrip().upper() in DEVICES:
        stem = f"_{stem}"
    return stem.encode()[:max_bytes].decode(errors="ignore").rstrip(". ") or UNTITLED


def build_content_disposition(filename: str | None) -> str:
    """Return the Content-Disposition header of a download with a user's file name."""
    name = make_portable(filename) if filename else ""
    return content_disposition_header(as_attachment=True, filename=name) or "attachment"


def _clean(text: str) -> str:
    # Windows cannot open files whose names end in spaces or dots.
    return FORBIDDEN.sub(" ", text).strip().rstrip(". ")
