"""Define and check the addresses from which files may be fetched."""

from django.conf import settings
from yarl import URL

from auteur.core.net.outbound import AddressPolicy, RefusedURLError, list_own_hosts, validate_url
from media.imports.errors import build_refusal
from media.imports.limits import MAX_URL_LENGTH


def build_policy() -> AddressPolicy:
    """Return the address policy of imports."""
    return AddressPolicy(
        schemes=("https", "http"),
        ports=settings.IMPORT_PORTS,
        hosts_refused=list_own_hosts(),
        networks_refused=settings.WEBHOOK_REFUSED_NETWORKS,
        networks_allowed=settings.IMPORT_ALLOWED_NETWORKS,
    )


def parse_address(text: str, policy: AddressPolicy) -> URL:
    """Return the URL to request, or raise ``RefusedURLError``.

    Its path and query are not normalized, because they may be signed.
    """
    url = URL(validate_url(text, policy, max_length=MAX_URL_LENGTH))
    if not text.isascii():
        return url
    raw_url = URL(text, encoded=True)
    return URL.build(
        scheme=url.scheme,
        authority=url.raw_authority,
        path=raw_url.raw_path or "/",
        query_string=raw_url.raw_query_string,
        encoded=True,
    )


def parse_redirection(url: URL, location: str, policy: AddressPolicy) -> URL:
    """Return the target of a redirection, or raise ``InputRefusedError`` if it is not allowed."""
    try:
        joined = url.join(URL(location, encoded=True)).with_fragment(None)
        target_url = parse_address(str(joined), policy)
    except (RefusedURLError, ValueError, IndexError) as exc:
        raise build_refusal("redirect_refused") from exc
    # An HTTPS request must not be redirected to an unencrypted one.
    if url.scheme == "https" and target_url.scheme != "https":
        raise build_refusal("redirect_refused")
    return target_url


def redact_address(url: URL) -> str:
    """Return the URL without its query, which may hold secrets."""
    return str(url.with_query(None))
