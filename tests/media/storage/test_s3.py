"""Presigned S3 URLs; the S3 server here checks no signature, so these tests do it themselves."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import requests
from botocore.exceptions import EndpointConnectionError

from media.storage.s3 import PresignedS3Storage
from tests.media.conftest import REGION, SECRET_KEY
from tests.media.storage import sigv4
from tests.media.storage.sigv4 import parameters

KEY = "users/1/tests/2/source.mp4"


def signature(method: str, url: str, headers: dict[str, str]) -> str:
    return sigv4.signature(method, url, headers, SECRET_KEY)


def test_this_check_agrees_with_the_documentation_of_s3() -> None:
    # The example of "Authenticating Requests: Using Query Parameters", with its keys.
    url = (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    )
    expected = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    assert sigv4.signature("GET", url, {}, secret) == expected


def test_a_put_is_signed_with_type_size_and_condition(s3_storage: PresignedS3Storage) -> None:
    url = s3_storage.presigned_put(KEY, content_type="video/mp4", size_bytes=5, once=True)
    values = parameters(url)

    assert values["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert values["X-Amz-Expires"] == "900"
    signed = values["X-Amz-SignedHeaders"].split(";")
    assert signed == ["content-length", "content-type", "host", "if-none-match"]
    headers = {"Content-Type": "video/mp4", "Content-Length": "5", "If-None-Match": "*"}
    assert signature("PUT", url, headers) == values["X-Amz-Signature"]


def test_without_size_and_condition_they_are_not_signed(s3_storage: PresignedS3Storage) -> None:
    url = s3_storage.presigned_put(KEY, content_type="video/mp4")
    assert parameters(url)["X-Amz-SignedHeaders"] == "content-type;host"
    assert (
        signature("PUT", url, {"Content-Type": "video/mp4"}) == parameters(url)["X-Amz-Signature"]
    )


def test_a_get_is_signed_with_its_file_name(s3_storage: PresignedS3Storage) -> None:
    url = s3_storage.presigned_get(KEY, filename="Fête & co.mp4")
    values = parameters(url)
    assert values["X-Amz-Expires"] == "900"
    assert values["response-content-disposition"].startswith(
        "attachment; filename*=utf-8''F%C3%AAte"
    )
    assert signature("GET", url, {}) == values["X-Amz-Signature"]


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
    values = parameters(s3_storage.presigned_get(KEY))
    signed_at = datetime.strptime(values["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - signed_at).total_seconds()) < 10
    assert f"/{REGION}/s3/aws4_request" in values["X-Amz-Credential"]


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


UPLOAD_ID = "an/upload+id="


def part_url(storage: PresignedS3Storage, **altered: object) -> str:
    bound: dict[str, object] = {"number": 2, "size_bytes": 7, **altered}
    upload_id = str(bound.pop("upload_id", UPLOAD_ID))
    key = str(bound.pop("key", KEY))
    return storage.presigned_part(key, upload_id, **bound)  # type: ignore[arg-type]


def test_a_part_is_signed_with_its_upload_number_and_size(s3_storage: PresignedS3Storage) -> None:
    url = part_url(s3_storage)
    values = parameters(url)
    assert (values["uploadId"], values["partNumber"]) == (UPLOAD_ID, "2")
    assert values["X-Amz-SignedHeaders"] == "content-length;host"
    assert values["X-Amz-Expires"] == "900"
    assert signature("PUT", url, {"Content-Length": "7"}) == values["X-Amz-Signature"]
    assert signature("PUT", url, {"Content-Length": "8"}) != values["X-Amz-Signature"]


@pytest.mark.parametrize(
    "altered",
    [{"number": 3}, {"size_bytes": 8}, {"upload_id": "another"}, {"key": KEY.replace("2", "3")}],
    ids=lambda altered: next(iter(altered)),
)
def test_the_url_of_one_part_is_of_no_use_for_another(
    s3_storage: PresignedS3Storage, altered: dict[str, object]
) -> None:
    mine, other = part_url(s3_storage), part_url(s3_storage, **altered)
    borrowed = other.partition("X-Amz-Signature=")[0]
    borrowed += f"X-Amz-Signature={parameters(mine)['X-Amz-Signature']}"
    size = str(altered.get("size_bytes", 7))
    headers = {"Content-Length": size}
    now = datetime.now(UTC)
    assert sigv4.refusal("PUT", other, headers, secret=SECRET_KEY, now=now) is None
    refused = sigv4.refusal("PUT", borrowed, headers, secret=SECRET_KEY, now=now)
    assert refused == "SignatureDoesNotMatch"


SIGNED: dict[str, tuple[str, Callable[[PresignedS3Storage], str], dict[str, str]]] = {
    "put": (
        "PUT",
        lambda storage: storage.presigned_put(
            KEY, content_type="video/mp4", size_bytes=5, once=True
        ),
        {"Content-Type": "video/mp4", "Content-Length": "5", "If-None-Match": "*"},
    ),
    "get": ("GET", lambda storage: storage.presigned_get(KEY, filename="Fête.mp4"), {}),
    "read by ourselves": ("GET", lambda storage: storage.probe_source(KEY), {}),
    "part": ("PUT", part_url, {"Content-Length": "7"}),
}


@pytest.mark.parametrize("kind", SIGNED)
def test_urls_work_for_fifteen_minutes_and_no_longer(
    s3_storage: PresignedS3Storage, kind: str
) -> None:
    method, make, headers = SIGNED[kind]
    url = make(s3_storage)
    signed_at = datetime.strptime(parameters(url)["X-Amz-Date"], sigv4.TIME).replace(tzinfo=UTC)

    def refused(after: int) -> str | None:
        now = signed_at + timedelta(seconds=after)
        return sigv4.refusal(method, url, headers, secret=SECRET_KEY, now=now)

    assert (refused(0), refused(900), refused(901)) == (None, None, "AccessDenied")
    later = url.replace("X-Amz-Expires=900", "X-Amz-Expires=9000")
    now = signed_at + timedelta(seconds=901)
    assert later != url
    assert (
        sigv4.refusal(method, later, headers, secret=SECRET_KEY, now=now) == "SignatureDoesNotMatch"
    )


@pytest.mark.parametrize("kind", ["put", "part"])
def test_every_signed_header_must_be_sent_as_it_was_signed(
    s3_storage: PresignedS3Storage, kind: str
) -> None:
    method, make, headers = SIGNED[kind]
    url, now = make(s3_storage), datetime.now(UTC)
    assert sigv4.refusal(method, url, headers, secret=SECRET_KEY, now=now) is None
    for name in headers:
        without = {other: value for other, value in headers.items() if other != name}
        for wrong in (without, headers | {name: "1"}):
            refused = sigv4.refusal(method, url, wrong, secret=SECRET_KEY, now=now)
            assert refused == "SignatureDoesNotMatch"
    # What a client really sends, by the same library as our tests upload with.
    prepared = requests.Request(method, url, headers=headers, data=b"x" * SIZES[kind]).prepare()
    sent = dict(prepared.headers)
    assert sigv4.refusal(method, prepared.url, sent, secret=SECRET_KEY, now=now) is None


SIZES = {"put": 5, "part": 7}


def test_another_secret_signs_otherwise(s3_storage: PresignedS3Storage) -> None:
    url, now = part_url(s3_storage), datetime.now(UTC)
    refused = sigv4.refusal("PUT", url, {"Content-Length": "7"}, secret="guessed", now=now)
    assert refused == "SignatureDoesNotMatch"


def test_no_newer_checksums_are_asked_for(s3_storage: PresignedS3Storage) -> None:
    url = s3_storage.presigned_put(KEY, content_type="video/mp4")
    assert not [name for name in parameters(url) if "checksum" in name.lower()]


def test_a_server_that_is_away_is_an_outage(use_s3: Callable[..., PresignedS3Storage]) -> None:
    storage = use_s3("http://127.0.0.1:9")
    with pytest.raises(EndpointConnectionError):
        storage.head(KEY)
    with pytest.raises(EndpointConnectionError):
        storage.check()
