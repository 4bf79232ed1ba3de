"""Signature version 4 as S3 checks it, written after its documentation and apart from boto3.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
TIME = "%Y%m%dT%H%M%SZ"


def parameters(url: str) -> dict[str, str]:
    """What the query says."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def signature(method: str, url: str, headers: Mapping[str, str], secret: str) -> str:
    """The signature that a presigned request with these headers must carry."""
    parts, values = urlsplit(url), parameters(url)
    values.pop("X-Amz-Signature", None)
    names = values["X-Amz-SignedHeaders"].split(";")
    sent = {name.lower(): value.strip() for name, value in headers.items()}
    sent["host"] = parts.netloc
    query = sorted(
        (quote(name, safe="~"), quote(value, safe="~")) for name, value in values.items()
    )
    request = [
        method,
        quote(unquote(parts.path), safe="/~"),
        "&".join(f"{name}={value}" for name, value in query),
        *(f"{name}:{sent.get(name, '')}" for name in names),
        "",
        ";".join(names),
        "UNSIGNED-PAYLOAD",
    ]
    scope = values["X-Amz-Credential"].partition("/")[2]
    digest = hashlib.sha256("\n".join(request).encode()).hexdigest()
    text = "\n".join([ALGORITHM, values["X-Amz-Date"], scope, digest])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def refusal(
    method: str, url: str, headers: Mapping[str, str], *, secret: str, now: datetime
) -> str | None:
    """The code with which S3 refuses the request; None if it takes it.

    Headers that were not signed do not count, but for those that would change what is stored.
    """
    values = parameters(url)
    signed_at = datetime.strptime(values["X-Amz-Date"], TIME).replace(tzinfo=UTC)
    if now > signed_at + timedelta(seconds=int(values["X-Amz-Expires"])):
        return "AccessDenied"
    if values["X-Amz-Algorithm"] != ALGORITHM:
        return "AuthorizationQueryParametersError"
    if values["X-Amz-Signature"] != signature(method, url, headers, secret):
        return "SignatureDoesNotMatch"
    return None
