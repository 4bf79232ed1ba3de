"""Names of files that Windows, macOS and Linux take."""

import re

from django.utils.http import content_disposition_header

MAX_BYTES = 255
"""In UTF-8: file systems of Linux count bytes, others have more room."""
MAX_EXTENSION_BYTES = 16
"""What is longer, after a point, is no extension."""
UNTITLED = "untitled"
FORBIDDEN = re.compile(r'\s*(?:[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]\s*)+')
"""What Windows reserves, characters that control, and those by which an extension seems another."""
DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"]
)
"""No names of files on Windows, with any extension.

https://learn.microsoft.com/windows/win32/fileio/naming-a-file
"""


def portable(name: str) -> str:
    """The name with as little changed as every system needs, its extension kept."""
    cleaned = _cleaned(name)
    stem, point, extension = cleaned.rpartition(".")
    if not point or len(extension.encode()) > MAX_EXTENSION_BYTES:
        stem, extension = cleaned, ""
    ending = f".{extension}" if extension else ""
    return portable_stem(stem, MAX_BYTES - len(ending.encode())) + ending


def portable_stem(text: str, max_bytes: int) -> str:
    """The same, of what an extension is put behind; cut to so many bytes at most."""
    stem = _cleaned(text).lstrip(". ")
    if stem.partition(".")[0].rstrip().upper() in DEVICES:
        stem = f"_{stem}"
    return stem.encode()[:max_bytes].decode(errors="ignore").rstrip(". ") or UNTITLED


def attachment(filename: str | None) -> str:
    """The Content-Disposition of a download, under a name that people gave."""
    name = portable(filename) if filename else ""
    return content_disposition_header(as_attachment=True, filename=name) or "attachment"


def _cleaned(text: str) -> str:
    # What ends in blanks and points, Windows cannot open.
    return FORBIDDEN.sub(" ", text).strip().rstrip(". ")
