"""Define why an import fails, permanently or until the next try. The codes are stable."""

from gpu_tasks.runtime.errors import AuteurError, InputRefusedError

REFUSALS = {
    "source_not_found": "There is nothing at this URL.",
    "source_forbidden": "The server asks for a login, or does not give the file to us.",
    "source_refused": "The server does not answer with a file.",
    "web_page": "This URL leads to a web page: give the URL of the file itself.",
    "unsupported_media_type": "The server does not say that this is a film, a sound or a picture. "
    "If it is one, name it in `filename` with its extension.",
    "file_too_large": "The file is larger than we take.",
    "empty_file": "The file is empty.",
    "too_many_redirects": "The URL leads on and on to others.",
    "redirect_refused": "The URL leads to one that we do not call.",
    "address_refused": "The URL leads to an address that is not on the public internet.",
    "name_not_resolved": "There is no server of this name.",
    "tls_failed": "The server's certificate is not valid for this URL.",
    "encoding_refused": "The server compresses the file: we take files as they are.",
    "import_timed_out": "The file did not come in the time that we take for one.",
    "import_failed": "The file could not be fetched: every try was lost.",
}
OUTAGES = {
    "source_unavailable": "The server is busy, or broken.",
    "connection_failed": "The server does not take connections, or broke one off.",
    "timeout": "The server did not answer in time.",
    "too_slow": "The server sends too slowly.",
    "displaced": "The server sends slowly and cannot continue a file: it was stopped for others.",
    "interrupted": "The server broke off before the end.",
    "invalid_answer": "The server's answer cannot be understood.",
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
