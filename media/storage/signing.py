"""Sign the file-system storage's URLs with an HMAC over method, key and all parameters."""

import hashlib
import hmac
import time
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from auteur.core.api.problems import Problem
from media.storage import check_key

SIGNATURE = "signature"


class SignatureInvalidProblem(Problem):
    """Raised if we did not sign the URL, or it was altered."""

    status_code = 403
    default_code = "signature_invalid"
    default_detail = (
        "The URL's signature is not valid. Use the URL unchanged, or request a new one."
    )


class UrlExpiredProblem(Problem):
    """Raised if the URL has expired."""

    status_code = 403
    default_code = "url_expired"
    default_detail = "The URL has expired. Request a new one."


@dataclass(frozen=True)
class Grant:
    """The permissions of a verified URL."""

    key: str
    content_type: str | None
    size_bytes: int | None
    filename: str | None
    once: bool
    upload_id: str | None = None
    part_number: int | None = None
    """The part of an upload in parts. The grant then covers this part only."""


@dataclass(frozen=True)
class SignedUrls:
    """A signer and verifier of the URLs under ``base_url``; times are seconds since the epoch.

    URLs signed with one of the ``fallbacks`` are valid too; no new URLs are signed with them.
    """

    base_url: str
    signing_key: str
    fallbacks: tuple[str, ...] = ()

    def sign(
        self,
        method: str,
        key: str,
        *,
        expires: int,
        now: float | None = None,
        **parameters: str | int | None,
    ) -> str:
        """Return a URL valid for ``expires`` seconds from ``now``; it signs ``parameters`` too."""
        expires_at = int(time.time() if now is None else now) + expires
        pairs = [("expires", str(expires_at))]
        pairs += [(name, str(value)) for name, value in parameters.items() if value is not None]
        text = _build_signed_text(method, check_key(key), pairs)
        pairs.append((SIGNATURE, _compute_signature(self.signing_key, text)))
        return f"{self.base_url}{quote(key)}?{urlencode(pairs)}"

    def verify(
        self, method: str, key: str, query_string: str, *, now: float | None = None
    ) -> Grant:
        """Return what the URL allows.

        Raises ``SignatureInvalidProblem`` and ``UrlExpiredProblem``.
        """
        pairs = parse_qsl(query_string, keep_blank_values=True)
        signature = dict(pairs).get(SIGNATURE, "").encode()
        signed_pairs = [pair for pair in pairs if pair[0] != SIGNATURE]
        text = _build_signed_text(method, key, signed_pairs)
        if not any(
            hmac.compare_digest(signature, _compute_signature(signing_key, text).encode())
            for signing_key in (self.signing_key, *self.fallbacks)
        ):
            raise SignatureInvalidProblem
        values = dict(signed_pairs)
        if (time.time() if now is None else now) >= int(values["expires"]):
            raise UrlExpiredProblem
        size = values.get("size_bytes")
        return Grant(
            key=check_key(key),
            content_type=values.get("content_type"),
            size_bytes=None if size is None else int(size),
            filename=values.get("filename"),
            once="once" in values,
            upload_id=values.get("upload_id"),
            part_number=int(values["part_number"]) if "part_number" in values else None,
        )


def _build_signed_text(method: str, key: str, pairs: list[tuple[str, str]]) -> str:
    # urlencode escapes separators, so no value can imitate another parameter.
    return urlencode([("method", method), ("key", key), *sorted(pairs)])


def _compute_signature(signing_key: str, text: str) -> str:
    return hmac.new(signing_key.encode(), text.encode(), hashlib.sha256).hexdigest()
