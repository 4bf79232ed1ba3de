"""Find the content type and the name of a file from its server's response."""

from yarl import URL

from media.content_types import ACCEPTED, parse_base_type
from media.file_names import make_portable
from media.imports.errors import build_refusal
from media.imports.transfer import Answer

WEB_PAGES = {"text/html", "application/xhtml+xml"}
TYPES = {extension: kind for kind, extension in reversed(ACCEPTED.items())} | {
    "aif": "audio/aiff",
    "heif": "image/heif",
    "jpeg": "image/jpeg",
    "mpeg": "video/mpeg",
    "oga": "audio/ogg",
}
"""Content types by extension: the first accepted one of those with the same extension."""


def get_content_type(answer: Answer, name: str) -> str:
    """Return the content type from the server, or else from one of the file's names.

    Raises ``InputRefusedError``.
    """
    content_type = parse_base_type(answer.content_type)
    if content_type in WEB_PAGES:
        raise build_refusal("web_page")
    if content_type in ACCEPTED:
        return content_type
    for candidate in (name, answer.filename or "", answer.url.path):
        if guessed_type := find_type_by_name(candidate):
            return guessed_type
    raise build_refusal("unsupported_media_type")


def find_type_by_name(name: str) -> str | None:
    """Return the content type of the name's extension, or None."""
    return TYPES.get(name.rpartition(".")[2].lower()) if "." in name else None


def get_name_in_url(url: URL) -> str:
    """Return the file name in the URL."""
    return make_portable(_replace_surrogates(url.name or url.raw_host or ""))


def choose_name(answer: Answer, address: URL, name: str) -> str:
    """Return the media's name: from the server, unless the user has set one."""
    if answer.filename and name == get_name_in_url(address):
        return make_portable(_replace_surrogates(answer.filename))
    return name


def _replace_surrogates(text: str) -> str:
    # A server may send any bytes, which are decoded to lone surrogates.
    return text.encode(errors="replace").decode()
