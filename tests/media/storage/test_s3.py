"""Presigned S3 URLs; the S3 server here checks no signature, so these tests do it themselves."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
import requests
from botocore.exceptions import EndpointConnectionError

from media.storage.s3 import PresignedS3Storage
from tests.media.conftest import REGION, SECRET_KEY

KEY = "users/1/media/2/source.mp4"


def parameters(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def signature(method: str, url: str, headers: dict[str, str]) -> str:
    """Signature version 4 of a presigned request, as the documentation of S3 describes it."""
    parts, given = urlsplit(url), parameters(url)
    given.pop("X-Amz-Signature")
    names = given["X-Amz-SignedHeaders"].split(";")
    lower = {name.lower(): value for name, value in headers.items()} | {"host": parts.netloc}
    request = "\n".join(
        [
            method,
            quote(unquote(parts.path), safe="/~"),
            "&".join(
                f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted(given.items())
            ),
            *(f"{name}:{lower[name].strip()}" for name in names),
            "",
            ";".join(names),
            "UNSIGNED-PAYLOAD",
        ]
    )
    scope = given["X-Amz-Credential"].partition("/")[2]
    text = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            given["X-Amz-Date"],
            scope,
            hashlib.sha256(request.encode()).hexdigest(),
        ]
    )
    key = f"AWS4{SECRET_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def test_a_put_is_signed_with_type_size_and_condition(s3_storage: PresignedS3Storage) -> None:
    url = s3_storage.presigned_put(KEY, content_type="video/mp4", size_bytes=5, once=True)
    given = parameters(url)

    assert given["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert given["X-Amz-Expires"] == "900"
    signed = given["X-Amz-SignedHeaders"].split(";")
    assert signed == ["content-length", "content-type", "host", "if-none-match"]
    headers = {"Content-Type": "video/mp4", "Content-Length": "5", "If-None-Match": "*"}
    assert signature("PUT", url, headers) == given["X-Amz-Signature"]


def test_without_size_and_condition_they_are_not_signed(s3_storage: PresignedS3Storage) -> None:
    url = s3_storage.presigned_put(KEY, content_type="video/mp4")
    assert parameters(url)["X-Amz-SignedHeaders"] == "content-type;host"
    assert (
        signature("PUT", url, {"Content-Type": "video/mp4"}) == parameters(url)["X-Amz-Signature"]
    )


def test_a_get_is_signed_with_its_file_name(s3_storage: PresignedS3Storage) -> None:
    url = s3_storage.presigned_get(KEY, filename="Fête & co.mp4")
    given = parameters(url)
    assert given["X-Amz-Expires"] == "900"
    assert given["response-content-disposition"].startswith(
        "attachment; filename*=utf-8''F%C3%AAte"
    )
    assert signature("GET", url, {}) == given["X-Amz-Signature"]


@pytest.mark.parametrize(
    "altered",
    [
        {"content_type": "text/html"},
        {"size_bytes": 6},
        {"size_bytes": None},
        {"once": False},
        {"expires": 901},
    ],
    ids=lambda altered: next(iter(altered)),
)
def test_whatever_is_altered_needs_another_signature(
    s3_storage: PresignedS3Storage, altered: dict[str, str | int | None]
) -> None:
    bound: dict[str, object] = {"content_type": "video/mp4", "size_bytes": 5, "once": True}
    url = s3_storage.presigned_put(KEY, **bound)  # type: ignore[arg-type]
    other = s3_storage.presigned_put(KEY, **(bound | altered))  # type: ignore[arg-type]
    assert parameters(url)["X-Amz-Signature"] != parameters(other)["X-Amz-Signature"]


def test_a_client_that_sends_other_headers_breaks_the_signature(
    s3_storage: PresignedS3Storage,
) -> None:
    url = s3_storage.presigned_put(KEY, content_type="video/mp4", size_bytes=5)
    right = {"Content-Type": "video/mp4", "Content-Length": "5"}
    expected = parameters(url)["X-Amz-Signature"]
    assert signature("PUT", url, right) == expected
    for wrong in ({"Content-Type": "text/html"}, {"Content-Length": "6"}):
        assert signature("PUT", url, right | wrong) != expected
    assert signature("GET", url, right) != expected
    assert signature("PUT", url.replace("/2/", "/3/"), right) != expected
    assert signature("PUT", url.replace("Expires=900", "Expires=901"), right) != expected


def test_the_signature_is_of_now_and_of_the_region(s3_storage: PresignedS3Storage) -> None:
    given = parameters(s3_storage.presigned_get(KEY))
    signed_at = datetime.strptime(given["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - signed_at).total_seconds()) < 10
    assert f"/{REGION}/s3/aws4_request" in given["X-Amz-Credential"]


def test_clients_are_sent_to_the_public_address(
    use_s3: Callable[..., PresignedS3Storage], s3_storage: PresignedS3Storage, s3_server: str
) -> None:
    public = s3_server.replace("127.0.0.1", "localhost")
    storage = use_s3(s3_server, public_endpoint_url=public)
    url = storage.presigned_put(KEY, content_type="video/mp4")
    assert url.startswith(f"{public}/auteur-tests/{KEY}?")
    assert (
        signature("PUT", url, {"Content-Type": "video/mp4"}) == parameters(url)["X-Amz-Signature"]
    )
    sent = requests.put(url, b"x", headers={"Content-Type": "video/mp4"}, timeout=10)
    assert sent.status_code == 200
    assert storage.probe_source(KEY).startswith(f"{s3_server}/")


def test_no_newer_checksums_are_asked_for(s3_storage: PresignedS3Storage) -> None:
    url = s3_storage.presigned_put(KEY, content_type="video/mp4")
    assert not [name for name in parameters(url) if "checksum" in name.lower()]


def test_a_server_that_is_away_is_an_outage(use_s3: Callable[..., PresignedS3Storage]) -> None:
    storage = use_s3("http://127.0.0.1:9")
    with pytest.raises(EndpointConnectionError):
        storage.head(KEY)
    with pytest.raises(EndpointConnectionError):
        storage.check()
