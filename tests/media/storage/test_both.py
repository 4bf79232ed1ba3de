"""What both storages promise alike."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from django.utils import timezone

from gpu_tasks.mediakit.decoding import open_media
from media.storage import (
    MAX_KEY_LENGTH,
    STORAGE_ERRORS,
    InvalidKey,
    ObjectInfo,
    ObjectMissingError,
    ObjectStorage,
    ObjectTooLargeError,
    object_storage,
)
from media.storage.filesystem import SignedFileSystemStorage
from media.storage.s3 import PresignedS3Storage
from tests.media import samples

KEY = "users/1/tests/2/source.mp4"


def put(url: str, content: bytes, content_type: str = "video/mp4", **headers: str) -> int:
    headers |= {"Content-Type": content_type}
    return requests.put(url, data=content, headers=headers, timeout=10).status_code


def test_the_settings_choose_the_storage(storage: ObjectStorage) -> None:
    assert object_storage() is storage


def test_a_presigned_put_stores_the_bytes(storage: ObjectStorage) -> None:
    content = bytes(range(256)) * 4000
    url = storage.presigned_put(KEY, content_type="video/mp4", size_bytes=len(content))

    assert put(url, content) == 200
    assert storage.head(KEY) == ObjectInfo(len(content), "video/mp4")
    assert storage.read(KEY, len(content)) == content


def test_a_presigned_put_needs_no_size(storage: ObjectStorage) -> None:
    assert put(storage.presigned_put(KEY, content_type="video/mp4"), b"abc") == 200
    assert storage.head(KEY).size_bytes == 3


def test_a_presigned_get_answers_the_bytes_as_an_attachment(storage: ObjectStorage) -> None:
    storage.write(KEY, b"moving pictures", "video/mp4")

    answer = requests.get(storage.presigned_get(KEY, filename='Fête "1".mp4'), timeout=10)

    assert answer.status_code == 200
    assert answer.content == b"moving pictures"
    assert answer.headers["Content-Type"] == "video/mp4"
    named = "attachment; filename*=utf-8''F%C3%AAte%201.mp4"
    assert answer.headers["Content-Disposition"] == named


def test_a_presigned_get_answers_a_range(storage: ObjectStorage) -> None:
    storage.write(KEY, b"0123456789", "video/mp4")

    answer = requests.get(storage.presigned_get(KEY), headers={"Range": "bytes=2-5"}, timeout=10)

    assert (answer.status_code, answer.content) == (206, b"2345")
    assert answer.headers["Content-Range"] == "bytes 2-5/10"


def test_a_put_for_once_replaces_nothing(storage: ObjectStorage) -> None:
    url = storage.presigned_put(KEY, content_type="video/mp4", once=True)
    condition = {"If-None-Match": "*"}

    assert put(url, b"first", **condition) == 200
    assert put(url, b"second", **condition) == 412
    assert storage.read(KEY, 100) == b"first"


def test_other_puts_and_writes_replace(storage: ObjectStorage) -> None:
    url = storage.presigned_put(KEY, content_type="video/mp4")
    put(url, b"first")
    put(url, b"second")
    assert storage.read(KEY, 100) == b"second"

    storage.write(KEY, b"{}", "application/json")
    assert storage.head(KEY) == ObjectInfo(2, "application/json")


def test_what_is_not_there(storage: ObjectStorage) -> None:
    with pytest.raises(ObjectMissingError):
        storage.head(KEY)
    with pytest.raises(ObjectMissingError):
        storage.read(KEY, 10)
    # S3 does not tell those who may not list its keys whether one exists.
    assert requests.get(storage.presigned_get(KEY), timeout=10).status_code in (403, 404)
    storage.delete(KEY)


def test_deleted_objects_are_gone(storage: ObjectStorage) -> None:
    storage.write(KEY, b"x", "video/mp4")
    storage.delete(KEY)
    with pytest.raises(ObjectMissingError):
        storage.head(KEY)


def test_a_part_of_a_key_is_no_object(storage: ObjectStorage) -> None:
    storage.write(KEY, b"x", "video/mp4")
    with pytest.raises(ObjectMissingError):
        storage.head("users/1/media/2")
    with pytest.raises(ObjectMissingError):
        storage.read(f"{KEY}/more", 10)


def test_read_takes_up_to_its_limit(storage: ObjectStorage) -> None:
    storage.write(KEY, b"12345", "application/json")
    assert storage.read(KEY, 5) == b"12345"
    with pytest.raises(ObjectTooLargeError):
        storage.read(KEY, 4)


def test_the_decoder_opens_what_probing_gets(storage: ObjectStorage) -> None:
    storage.write(KEY, samples.video(), "video/mp4")
    with open_media(storage.probe_source(KEY)) as container:
        assert container.streams.video[0].width == samples.WIDTH


def test_it_says_that_it_works(storage: ObjectStorage) -> None:
    storage.check()


BAD_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../secret",
    "a/../../secret",
    "a/..",
    "a//b",
    "a/",
    "./a",
    "a/./b",
    ".hidden",
    "a/.hidden",
    "a\x00b",
    "a\nb",
    "a\n",
    "a\\..\\b",
    "a b",
    "a%2e%2e/b",
    "C:/x",
    "ä.mp4",
    "~root",
    "a" * (MAX_KEY_LENGTH + 1),
]


UNREACHED: list[ObjectStorage] = [
    SignedFileSystemStorage("/nowhere", "http://127.0.0.1:9/storage/", "key"),
    PresignedS3Storage(
        bucket_name="b",
        access_key="a",
        secret_key="s",
        region_name="auto",
        endpoint_url="http://127.0.0.1:9",
    ),
]


@pytest.mark.parametrize("key", BAD_KEYS)
@pytest.mark.parametrize("unreached", UNREACHED, ids=["filesystem", "s3"])
def test_no_other_keys_than_ours(unreached: ObjectStorage, key: str) -> None:
    uses: list[Callable[[], object]] = [
        lambda: unreached.presigned_put(key, content_type="video/mp4"),
        lambda: unreached.presigned_get(key),
        lambda: unreached.probe_source(key),
        lambda: unreached.head(key),
        lambda: unreached.read(key, 1),
        lambda: unreached.write(key, b"", "video/mp4"),
        lambda: unreached.delete(key),
    ]
    for use in uses:
        with pytest.raises(InvalidKey):
            use()


def test_the_longest_key(storage: ObjectStorage) -> None:
    key = "/".join(["a" * 127] * 4) + "b"
    assert len(key) == MAX_KEY_LENGTH
    storage.write(key, b"x", "video/mp4")
    assert storage.head(key).size_bytes == 1


def test_a_storage_that_does_not_work_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    broken = SignedFileSystemStorage(str(tmp_path / "file"), "http://127.0.0.1/storage/", "key")
    with pytest.raises(STORAGE_ERRORS):
        broken.check()


def test_objects_of_a_folder_are_told(storage: ObjectStorage) -> None:
    begun = timezone.now() - timedelta(seconds=2)
    for key in ("users/1/renders/2/a.mp4", "users/1/renders/2/b/c.mp4", "users/1/renders/23/d.mp4"):
        storage.write(key, b"abc", "video/mp4")

    objects = storage.list_objects("users/1/renders/2/")

    assert [first.key for first in objects] == [
        "users/1/renders/2/a.mp4",
        "users/1/renders/2/b/c.mp4",
    ]
    assert all(begun <= first.modified_at <= timezone.now() for first in objects)
    assert storage.list_objects("users/1/renders/3/") == []


def test_more_objects_than_one_answer_holds_are_told(
    storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    keys = [f"users/1/renders/2/{number}.mp4" for number in range(7)]
    for key in keys:
        storage.write(key, b"", "video/mp4")

    assert [
        stored_object.key for stored_object in storage.list_objects("users/1/renders/2/")
    ] == keys


def test_a_folder_is_named_like_a_key(storage: ObjectStorage) -> None:
    for wrong in ("../", "/", "users/../x/"):
        with pytest.raises(InvalidKey):
            storage.list_objects(wrong)
