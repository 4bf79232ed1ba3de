"""Signed URLs of the file-system storage: an HMAC over method, key and every parameter."""

import hashlib
import hmac
import time
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from auteur.api.problems import Problem
from media.storage import signable_key

SIGNATURE = "signature"


class SignatureInvalidProblem(Problem):
    """The URL was not made by us, or something in it was altered."""

    status_code = 403
    default_code = "signature_invalid"
    default_detail = "The URL's signature does not match."


class UrlExpiredProblem(Problem):
    """The URL was ours and its time is over."""

    status_code = 403
    default_code = "url_expired"
    default_detail = "The URL has expired: ask for a new one."


@dataclass(frozen=True)
class Grant:
    """What a valid URL allows its bearer."""

    key: str
    content_type: str | None
    size_bytes: int | None
    filename: str | None
    once: bool
    upload_id: str | None = None
    part_number: int | None = None
    """Of an upload in parts: then the grant is for this part alone."""


@dataclass(frozen=True)
class SignedUrls:
    """Makes and checks the URLs under ``base_url``; times are seconds since the epoch.

    What one of the ``fallbacks`` has signed is good, too; nothing is signed with them.
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
        **bound: str | int | None,
    ) -> str:
        """A URL good for ``expires`` seconds from ``now``, with the ``bound`` values signed in."""
        expires_at = int(time.time() if now is None else now) + expires
        pairs = [("expires", str(expires_at))]
        pairs += [(name, str(value)) for name, value in bound.items() if value is not None]
        text = _signed_text(method, signable_key(key), pairs)
        pairs.append((SIGNATURE, _signature(self.signing_key, text)))
        return f"{self.base_url}{quote(key)}?{urlencode(pairs)}"

    def verify(
        self, method: str, key: str, query_string: str, *, now: float | None = None
    ) -> Grant:
        """What the URL allows; raises ``SignatureInvalidProblem`` and ``UrlExpiredProblem``."""
        pairs = parse_qsl(query_string, keep_blank_values=True)
        given = dict(pairs).get(SIGNATURE, "").encode()
        signed = [pair for pair in pairs if pair[0] != SIGNATURE]
        text = _signed_text(method, key, signed)
        if not any(
            hmac.compare_digest(given, _signature(one, text).encode())
            for one in (self.signing_key, *self.fallbacks)
        ):
            raise SignatureInvalidProblem
        values = dict(signed)
        if (time.time() if now is None else now) >= int(values["expires"]):
            raise UrlExpiredProblem
        size = values.get("size_bytes")
        return Grant(
            key=signable_key(key),
            content_type=values.get("content_type"),
            size_bytes=None if size is None else int(size),
            filename=values.get("filename"),
            once="once" in values,
            upload_id=values.get("upload_id"),
            part_number=int(values["part_number"]) if "part_number" in values else None,
        )


def _signed_text(method: str, key: str, pairs: list[tuple[str, str]]) -> str:
    # urlencode keeps the parts apart: no value can imitate a separator.
    return urlencode([("method", method), ("key", key), *sorted(pairs)])


def _signature(signing_key: str, text: str) -> str:
    return hmac.new(signing_key.encode(), text.encode(), hashlib.sha256).hexdigest()
