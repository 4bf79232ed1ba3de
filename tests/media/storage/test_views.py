"""The file-system storage's URLs over real HTTP."""

import http.client
import math
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from pytest_django import Settings

from gpu_tasks.runtime import transfers
from gpu_tasks.runtime.callback import OutputGrant
from media.storage import InvalidKey, ObjectMissingError
from media.storage.filesystem import SignedFileSystemStorage
from media.storage.views import CHUNK_BYTES

KEY = "users/1/tests/2/source.mp4"
TYPED = {"Content-Type": "video/mp4"}


@pytest.fixture
def store(filesystem_storage: SignedFileSystemStorage) -> SignedFileSystemStorage:
    return filesystem_storage


def put_url(store: SignedFileSystemStorage, size_bytes: int | None = None) -> str:
    return store.presigned_put(KEY, content_type="video/mp4", size_bytes=size_bytes)


def problem(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def assert_nothing_stored(store: SignedFileSystemStorage) -> None:
    with pytest.raises(ObjectMissingError):
        store.head(KEY)
    assert not [path for path in store.root.rglob("*") if path.is_file()]


def test_large_bodies_stream_in_chunks(store: SignedFileSystemStorage, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    content = os.urandom(3 * CHUNK_BYTES + 1)

    assert requests.put(put_url(store), content, headers=TYPED, timeout=10).status_code == 200
    assert requests.get(store.presigned_get(KEY), timeout=10).content == content


def test_the_content_type_is_the_signed_one(store: SignedFileSystemStorage) -> None:
    for headers in ({"Content-Type": "text/html"}, {}, {"Content-Type": "video/mp4; x=y"}):
        answer = requests.put(put_url(store), b"x", headers=headers, timeout=10)
        assert problem(answer) == (403, "content_type_mismatch")
    assert_nothing_stored(store)


def test_the_size_is_the_signed_one(store: SignedFileSystemStorage) -> None:
    url = put_url(store, size_bytes=5)
    longer = requests.put(url, b"123456", headers=TYPED, timeout=10)
    shorter = requests.put(url, b"1234", headers=TYPED, timeout=10)
    assert problem(longer) == (413, "file_too_large")
    assert problem(shorter) == (422, "size_mismatch")
    assert_nothing_stored(store)
    assert requests.put(url, b"12345", headers=TYPED, timeout=10).status_code == 200


def test_no_more_than_the_largest_upload(
    store: SignedFileSystemStorage, settings: Settings
) -> None:
    settings.MAX_UPLOAD_BYTES = 10
    over = requests.put(put_url(store), b"x" * 11, headers=TYPED, timeout=10)
    assert problem(over) == (413, "file_too_large")
    over = requests.put(put_url(store, size_bytes=11), b"x" * 11, headers=TYPED, timeout=10)
    assert problem(over) == (413, "file_too_large")
    assert_nothing_stored(store)
    assert requests.put(put_url(store), b"x" * 10, headers=TYPED, timeout=10).status_code == 200


def test_a_length_that_is_not_told_is_found(store: SignedFileSystemStorage) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x"

    answer = requests.put(put_url(store), chunks(), headers=TYPED, timeout=10)
    assert answer.status_code == 200
    assert store.read(KEY, 10) == b"x"


def test_a_connection_that_breaks_leaves_nothing(store: SignedFileSystemStorage) -> None:
    url = urlsplit(put_url(store))
    head = (
        f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        "Content-Type: video/mp4\r\nContent-Length: 1000\r\n\r\n"
    )
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as connection:
        connection.sendall(head.encode() + b"x" * 999)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert answer == b""
    assert_nothing_stored(store)


def test_an_empty_file_is_stored_as_such(store: SignedFileSystemStorage) -> None:
    assert requests.put(put_url(store), b"", headers=TYPED, timeout=10).status_code == 200
    answer = requests.get(store.presigned_get(KEY), timeout=10)
    assert (answer.status_code, answer.content) == (200, b"")


def test_expired_and_altered_urls(store: SignedFileSystemStorage) -> None:
    store.write(KEY, b"x", "video/mp4")
    expired = requests.get(store.presigned_get(KEY, expires=0), timeout=10)
    assert problem(expired) == (403, "url_expired")
    expired = requests.put(
        store.presigned_put(KEY, content_type="video/mp4", expires=0),
        b"y",
        headers=TYPED,
        timeout=10,
    )
    assert problem(expired) == (403, "url_expired")
    url = store.presigned_get(KEY)
    for altered in (url[:-1], f"{url}0", url.partition("?")[0], url.replace("/1/", "/2/")):
        assert problem(requests.get(altered, timeout=10)) == (403, "signature_invalid")
    assert problem(requests.put(url, b"y", timeout=10)) == (403, "signature_invalid")
    assert problem(requests.get(put_url(store), timeout=10)) == (403, "signature_invalid")
    assert problem(requests.delete(url, timeout=10)) == (405, "method_not_allowed")
    assert store.read(KEY, 10) == b"x"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("../../../etc/passwd", 403, b"signature_invalid"),
        ("%2e%2e/%2e%2e/etc/passwd", 403, b"signature_invalid"),
        ("//etc/passwd", 403, b"signature_invalid"),
        ("a%00b", 400, b"bad_request"),
        ("%ff%fe", 403, b"signature_invalid"),
    ],
)
def test_paths_that_lead_elsewhere(
    store: SignedFileSystemStorage, path: str, status: int, code: bytes
) -> None:
    url = urlsplit(store.presigned_get(KEY))
    # The client of requests would tidy the path up.
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
    connection.request("GET", f"/storage/{path}?{url.query}")
    answer = connection.getresponse()
    assert answer.status == status
    assert code in answer.read()
    connection.close()


def test_symbolic_links_are_not_followed(store: SignedFileSystemStorage, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    objects = store.root / "objects"
    objects.mkdir(parents=True)
    (objects / "file.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (objects / "folder").symlink_to(tmp_path / "outside")

    for key in ("file.txt", "folder/secret.txt"):
        assert problem(requests.get(store.presigned_get(key), timeout=10)) == (400, "parse_error")
        with pytest.raises(InvalidKey):
            store.write(key, b"changed", "text/plain")
        with pytest.raises(InvalidKey):
            store.probe_source(key)
    assert (tmp_path / "outside" / "secret.txt").read_text() == "secret"


def test_ranges(store: SignedFileSystemStorage) -> None:
    content = os.urandom(2 * CHUNK_BYTES)
    store.write(KEY, content, "video/mp4")
    url = store.presigned_get(KEY)

    def get(wanted: str) -> requests.Response:
        return requests.get(url, headers={"Range": wanted}, timeout=10)

    whole = get("bytes=5-2")
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = get(f"bytes=7-{CHUNK_BYTES + 7}")
    assert (part.status_code, part.content) == (206, content[7 : CHUNK_BYTES + 8])
    assert part.headers["Content-Length"] == str(CHUNK_BYTES + 1)
    assert part.headers["Content-Range"] == f"bytes 7-{CHUNK_BYTES + 7}/{len(content)}"
    beyond = get(f"bytes={len(content)}-")
    assert problem(beyond) == (416, "range_not_satisfiable")
    assert beyond.headers["Content-Range"] == f"bytes */{len(content)}"


def test_head_tells_the_headers_alone(store: SignedFileSystemStorage) -> None:
    store.write(KEY, b"12345", "video/mp4")
    answer = requests.head(store.presigned_get(KEY), timeout=10)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == "5"
    assert answer.headers["Content-Type"] == "video/mp4"


@pytest.mark.parametrize("told", ["text/html", "image/svg+xml", "application/xhtml+xml"])
def test_nothing_uploaded_runs_in_a_browser(store: SignedFileSystemStorage, told: str) -> None:
    store.write(KEY, b"<script>alert(1)</script>", told)
    answer = requests.get(store.presigned_get(KEY, filename="a.html"), timeout=10)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="a.html"'


def test_any_accept_header_will_do(store: SignedFileSystemStorage) -> None:
    store.write(KEY, b"x", "video/mp4")
    for text in ("video/*", "image/avif,image/webp", "nonsense"):
        answer = requests.get(store.presigned_get(KEY), headers={"Accept": text}, timeout=10)
        assert answer.status_code == 200


def test_editors_may_upload_from_their_origin(
    store: SignedFileSystemStorage, settings: Settings
) -> None:
    origin = settings.CORS_ALLOWED_ORIGINS[0]
    request_data = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    allowed = requests.options(put_url(store), headers=request_data, timeout=10)
    assert allowed.headers["Access-Control-Allow-Origin"] == origin
    assert "PUT" in allowed.headers["Access-Control-Allow-Methods"]
    stranger = requests.options(
        put_url(store), headers=request_data | {"Origin": "https://evil.example"}, timeout=10
    )
    assert "Access-Control-Allow-Origin" not in stranger.headers


def test_with_s3_there_is_no_such_address(s3_storage: object, http_server: str) -> None:
    assert requests.get(f"{http_server}/storage/{KEY}?x=1", timeout=10).status_code == 404


def test_a_folder_that_cannot_be_written_is_an_outage(
    store: SignedFileSystemStorage, caplog: pytest.LogCaptureFixture
) -> None:
    store.root.mkdir(parents=True)
    (store.root / "incoming").write_text("in the way")
    answer = requests.put(put_url(store), b"x", headers=TYPED, timeout=10)
    assert problem(answer) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "an object was not stored: EEXIST" in caplog.text


def test_a_result_is_stored_when_the_disk_can_be_written_again(
    store: SignedFileSystemStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obstacle = store.root / "incoming"
    store.root.mkdir(parents=True)
    obstacle.write_text("in the way")
    (tmp_path / "result").write_bytes(b"a result")
    grants = []

    def request_grant() -> OutputGrant:
        grants.append(put_url(store, size_bytes=8))
        return OutputGrant(url=grants[-1], headers=TYPED)

    def free_at_the_third_try() -> None:
        if len(grants) == 2:
            obstacle.unlink(missing_ok=True)

    monkeypatch.setattr(transfers, "MAX_RETRY_AFTER_SECONDS", 0.1)
    patience = transfers.Patience(
        seconds=60.0, ends_at=math.inf, report_progress=free_at_the_third_try
    )
    transfers.store(
        tmp_path / "result", patience=patience, request_grant=request_grant, size_bytes=8
    )
    assert store.read(KEY, 8) == b"a result"
    assert len(grants) == 3
