"""Our S3 storage at a server that is not ours and checks what is signed: OpenStack Swift."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import requests
from botocore.exceptions import ClientError
from django.core.management import CommandError, call_command
from django.utils import timezone

from media.storage import ObjectMissingError
from media.storage.checking import CHECKS, ROOM, Trial, UnfitStorageError
from media.storage.filesystem import SignedFileSystemStorage
from media.storage.s3 import PresignedS3Storage
from tests.media.conftest import BUCKET

KEY = "users/1/media/2/source.mp4"
ACCESS_KEY, SECRET_KEY = "test:tester", "not-a-real-secret"
PART_BYTES = 5 * 1024**2
NOT_SWIFTS = {"conditional PUTs at once", "CORS"}
"""It looks before it writes, not as it writes; and its CORS rules are no part of S3's."""


@pytest.fixture(scope="module")
def swift_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("pyeclib", reason="Swift has no packages for this machine")
    script = Path(__file__).with_name("swift_server.py")
    command = [sys.executable, "-W", "ignore", str(script), str(tmp_path_factory.mktemp("swift"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        yield f"http://127.0.0.1:{port}"
        server.kill()


@pytest.fixture
def swift(
    use_s3: Callable[..., PresignedS3Storage], swift_server: str
) -> Iterator[PresignedS3Storage]:
    storage = use_s3(swift_server, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    with suppress(storage.client.exceptions.BucketAlreadyOwnedByYou):
        storage.client.create_bucket(Bucket=BUCKET)
    yield storage
    for object_value in storage.list_objects("users/"):
        storage.delete(object_value.key)


def put(url: str, content: bytes, **headers: str) -> int:
    headers = {"Content-Type": "video/mp4"} | headers
    return requests.put(url, data=content, headers=headers, timeout=10).status_code


def test_a_signed_put_is_taken_with_its_size_and_type_and_no_others(
    swift: PresignedS3Storage,
) -> None:
    url = swift.presigned_put(KEY, content_type="video/mp4", size_bytes=3, once=True)
    once = {"If-None-Match": "*"}
    assert put(url, b"1234", **once) == 403
    assert put(url, b"123", **once, **{"Content-Type": "text/html"}) == 403
    assert put(url, b"123") == 403
    assert put(url.replace("/2/", "/3/"), b"123", **once) == 403
    assert put(url.replace("Expires=900", "Expires=9000"), b"123", **once) == 403
    with pytest.raises(ObjectMissingError):
        swift.head(KEY)

    assert put(url, b"123", **once) == 200
    assert put(url, b"456", **once) == 412
    assert swift.read(KEY, 3) == b"123"


def test_urls_end_with_their_time(swift: PresignedS3Storage) -> None:
    swift.write(KEY, b"12345", "video/mp4")
    over = swift.presigned_get(KEY, expires=-1)
    assert requests.get(over, timeout=10).status_code in (400, 403)
    part = requests.get(swift.presigned_get(KEY), headers={"Range": "bytes=1-2"}, timeout=10)
    assert (part.status_code, part.content) == (206, b"23")


def test_another_secret_is_refused(
    swift: PresignedS3Storage, use_s3: Callable[..., PresignedS3Storage], swift_server: str
) -> None:
    stranger = use_s3(swift_server, access_key=ACCESS_KEY, secret_key="another-secret")
    assert put(stranger.presigned_put(KEY, content_type="video/mp4"), b"123") == 403
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stranger.write(KEY, b"123", "video/mp4")
    with pytest.raises(ClientError):
        stranger.check()


def test_parts_are_sent_told_joined_and_given_up(swift: PresignedS3Storage) -> None:
    upload = swift.begin_parts(KEY, content_type="video/mp4")
    for number, size in ((1, PART_BYTES), (2, 3)):
        url = swift.presigned_part(KEY, upload, number=number, size_bytes=size)
        wrong = requests.put(url, data=b"x" * (size + 1), timeout=10)
        sent = requests.put(url, data=b"x" * size, timeout=10)
        assert (wrong.status_code, sent.status_code) == (403, 200)
    parts = swift.list_stored_parts(KEY, upload)
    assert [(part.number, part.size_bytes) for part in parts] == [(1, PART_BYTES), (2, 3)]
    swift.join_parts(KEY, upload, parts)
    assert swift.head(KEY).size_bytes == PART_BYTES + 3

    begun = swift.begin_parts("users/1/media/3/source.mp4", content_type="video/mp4")
    (name,) = swift.list_unfinished(before=timezone.now() + timedelta(minutes=1))
    assert begun in name
    assert swift.remove_unfinished(name)
    assert not swift.remove_unfinished(name)
    assert swift.list_unfinished(before=timezone.now() + timedelta(minutes=1)) == []


def test_objects_of_a_folder_are_told(swift: PresignedS3Storage) -> None:
    for key in ("users/1/renders/2/a.mp4", "users/1/renders/2/b/c.mp4", "users/1/renders/23/d.mp4"):
        swift.write(key, b"abc", "video/mp4")
    messages = [stored_object.key for stored_object in swift.list_objects("users/1/renders/2/")]
    assert messages == ["users/1/renders/2/a.mp4", "users/1/renders/2/b/c.mp4"]


def test_storage_check_says_what_this_server_lacks(swift: PresignedS3Storage) -> None:
    output_text = StringIO()
    with pytest.raises(CommandError, match="CORS"):
        call_command("storage_check", stdout=output_text)
    lines = output_text.getvalue().splitlines()
    assert len(lines) == len(CHECKS)
    refused = {line[4:30].strip() for line in lines if line.startswith("NO")}
    assert "CORS" in refused
    assert refused <= NOT_SWIFTS
    assert swift.list_objects(f"users/nobody/{ROOM}/") == []


def test_storage_check_finds_nothing_missing_in_our_own(
    filesystem_storage: SignedFileSystemStorage,
) -> None:
    call_command("storage_check", stdout=(output_text := StringIO()))
    assert all(line.startswith("ok  ") for line in output_text.getvalue().splitlines())
    assert filesystem_storage.list_objects(f"users/nobody/{ROOM}/") == []


def test_storage_check_finds_a_server_that_checks_no_signature(
    s3_storage: PresignedS3Storage,
) -> None:
    with pytest.raises(UnfitStorageError, match="another signature"):
        CHECKS["signed PUT"](Trial(s3_storage, f"users/nobody/{ROOM}/here"))
