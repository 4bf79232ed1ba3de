"""Which addresses files are fetched from, by our settings."""

from django.conf import settings
from yarl import URL

from auteur.outbound import Policy, RefusedURLError, checked_url, own_hosts
from media.imports.errors import refusal
from media.imports.limits import MAX_URL_LENGTH


def policy() -> Policy:
    """That of imports."""
    return Policy(
        schemes=("https", "http"),
        ports=settings.IMPORT_PORTS,
        hosts_refused=own_hosts(),
        networks_refused=settings.WEBHOOK_REFUSED_NETWORKS,
        networks_allowed=settings.IMPORT_ALLOWED_NETWORKS,
    )


def called(text: str, policy: Policy) -> URL:
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


def redirected(url: URL, location: str, policy: Policy) -> URL:
    """Where a redirection leads, if we go there; raises ``InputRefusedError``."""
    try:
        target = url.join(URL(location, encoded=True)).with_fragment(None)
        found = called(str(target), policy)
    except (RefusedURLError, ValueError, IndexError) as exc:
        raise refusal("redirect_refused") from exc
    # What was asked for under seal is not asked for in the open.
    if url.scheme == "https" and found.scheme != "https":
        raise refusal("redirect_refused")
    return found


def shown(url: URL) -> str:
    """What of a URL may be told: no query."""
    return str(url.with_query(None))
