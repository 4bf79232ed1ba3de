"""What a server's answer holds: of which type it is, and its name."""

from yarl import URL

from media.content_types import ACCEPTED, base_type
from media.file_names import portable
from media.imports.errors import refusal
from media.imports.transfer import Answer

WEB_PAGES = {"text/html", "application/xhtml+xml"}
TYPES = {extension: kind for kind, extension in reversed(ACCEPTED.items())} | {
    "aif": "audio/aiff",
    "heif": "image/heif",
    "jpeg": "image/jpeg",
    "mpeg": "video/mpeg",
    "oga": "audio/ogg",
}
"""Content types by extension: of those that share one, what is told first."""


def type_of(answer: Answer, name: str) -> str:
    """As the server says, or where it does not say, as one of the names does.

    Raises ``InputRefusedError``.
    """
    told = base_type(answer.content_type)
    if told in WEB_PAGES:
        raise refusal("web_page")
    if told in ACCEPTED:
        return told
    for known in (name, answer.filename or "", answer.url.path):
        if guessed := type_by_name(known):
            return guessed
    raise refusal("unsupported_media_type")


def type_by_name(name: str) -> str | None:
    """By its extension."""
    return TYPES.get(name.rpartition(".")[2].lower()) if "." in name else None


def name_in(url: URL) -> str:
    """What the URL calls the file."""
    return portable(_text(url.name or url.raw_host or ""))


def name_of(answer: Answer, address: URL, name: str) -> str:
    """The name of its media: what its server calls it, unless the user named it."""
    if answer.filename and name == name_in(address):
        return portable(_text(answer.filename))
    return name


def _text(given: str) -> str:
    """Without what is no text: a server may send any bytes."""
    return given.encode(errors="replace").decode()
