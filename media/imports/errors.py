"""Define why an import fails, permanently or until the next try. The codes are stable."""

from gpu_tasks.runtime.errors import AuteurError, InputRefusedError

REFUSALS = {
    "source_not_found": "The server has no file at this URL. Check the address.",
    "source_forbidden": "The server requires a login or refuses access to the file. Give a URL "
    "that needs no login.",
    "source_refused": "The server refused the request. Check that the URL leads to a file.",
    "web_page": "This URL leads to a web page. Give the URL of the file itself.",
    "unsupported_media_type": "The server does not say that this is a film, a sound or a "
    "picture. If it is one, give its name with its extension in `filename`.",
    "file_too_large": "The file is larger than the limit for imports.",
    "empty_file": "The file is empty.",
    "too_many_redirects": "The URL redirects too many times. Give the final URL.",
    "redirect_refused": "The URL redirects to an address that is not allowed. Give the final URL.",
    "address_refused": "The URL leads to an address that is not on the public internet. Give a "
    "public URL.",
    "name_not_resolved": "There is no server with this name. Check the address.",
    "tls_failed": "The server's certificate is not valid for this URL.",
    "encoding_refused": "The server sends the file compressed. Configure it to send the file "
    "unchanged.",
    "import_timed_out": "The file did not arrive within the time limit of an import.",
    "import_failed": "The file could not be fetched: every try was interrupted. Import it again.",
}
OUTAGES = {
    "source_unavailable": "The server is overloaded or has an internal error.",
    "connection_failed": "The server refuses connections, or closed one before the end.",
    "timeout": "The server did not answer in time.",
    "too_slow": "The server sends too slowly.",
    "displaced": "The server sends slowly and cannot resume a file. The transfer was stopped so "
    "that other users can import.",
    "interrupted": "The server closed the connection before the end of the file.",
    "invalid_answer": "The server's response is not valid HTTP.",
}


class FetchFailedError(AuteurError):
    """Raised if the source failed and a retry may succeed; ``detail`` can be shown to users."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.detail = OUTAGES[code]
        super().__init__(code)


def build_refusal(code: str) -> InputRefusedError:
    """Return the error of a permanent failure."""
    return InputRefusedError(code, REFUSALS[code])
