"""Which addresses files are fetched from, by our settings."""

from django.conf import settings
from yarl import URL

from auteur.outbound import AddressPolicy, RefusedURLError, checked_url, own_hosts
from media.imports.errors import refusal
from media.imports.limits import MAX_URL_LENGTH


def policy() -> AddressPolicy:
    """That of imports."""
    return AddressPolicy(
        schemes=("https", "http"),
        ports=settings.IMPORT_PORTS,
        hosts_refused=own_hosts(),
        networks_refused=settings.WEBHOOK_REFUSED_NETWORKS,
        networks_allowed=settings.IMPORT_ALLOWED_NETWORKS,
    )


def parse_address(text: str, policy: AddressPolicy) -> URL:
    """The URL as it will be called; raises ``RefusedURLError``.

    Its path and query are left as they were written, for they may be signed.
    """
    url = URL(checked_url(text, policy, max_length=MAX_URL_LENGTH))
    if not text.isascii():
        return url
    written = URL(text, encoded=True)
    return URL.build(
        scheme=url.scheme,
        authority=url.raw_authority,
        path=written.raw_path or "/",
        query_string=written.raw_query_string,
        encoded=True,
    )


def parse_redirection(url: URL, location: str, policy: AddressPolicy) -> URL:
    """Where a redirection leads, if we go there; raises ``InputRefusedError``."""
    try:
        target = url.join(URL(location, encoded=True)).with_fragment(None)
        found = parse_address(str(target), policy)
    except (RefusedURLError, ValueError, IndexError) as exc:
        raise refusal("redirect_refused") from exc
    # What was asked for under seal is not asked for in the open.
    if url.scheme == "https" and found.scheme != "https":
        raise refusal("redirect_refused")
    return found


def redact_address(url: URL) -> str:
    """What of a URL may be told: no query."""
    return str(url.with_query(None))
