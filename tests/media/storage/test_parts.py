"""Objects that come in parts, as both storages promise alike."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from botocore.exceptions import ClientError

from media.storage import InvalidKey, ObjectInfo, ObjectMissingError, ObjectStorage
from media.storage.filesystem import SignedFileSystemStorage
from media.storage.multipart import (
    MAX_PARTS,
    MULTIPART_BYTES,
    PART_BYTES,
    Part,
    StoredPart,
    choose_part_bytes,
    split_parts,
)
from tests.media.storage.test_both import UNREACHED

KEY = "users/1/tests/2/source.mp4"
OTHER = "users/2/media/3/source.mp4"
LEAST = 5 * 1024**2
"""Of S3, for all parts but the last."""
GONE = (404, 500)
"""S3 and ours say 404 of an upload that is over; the S3 server here stumbles."""
MIB, TIB = 1024**2, 1024**4


@pytest.fixture
def upload_id(storage: ObjectStorage) -> str:
    return storage.begin_parts(KEY, content_type="video/mp4")


def send(storage: ObjectStorage, upload_id: str, number: int, content: bytes) -> int:
    url = storage.presigned_part(KEY, upload_id, number=number, size_bytes=len(content))
    return requests.put(url, data=content, timeout=10).status_code


def sizes(storage: ObjectStorage, upload_id: str) -> list[tuple[int, int]]:
    return [(part.number, part.size_bytes) for part in storage.list_stored_parts(KEY, upload_id)]


class TestCutting:
    @pytest.mark.parametrize(
        ("size", "part"),
        [
            (1, PART_BYTES),
            (MULTIPART_BYTES + 1, PART_BYTES),
            (MAX_PARTS * PART_BYTES, PART_BYTES),
            (MAX_PARTS * PART_BYTES + 1, PART_BYTES + MIB),
            (5 * TIB, 5243 * MIB),
        ],
    )
    def test_parts_grow_with_the_file(self, size: int, part: int) -> None:
        assert choose_part_bytes(size) == part
        assert LEAST <= part <= 5368 * MIB
        assert len(split_parts(size, part)) <= MAX_PARTS

    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            (1, [Part(1, 0, 1)]),
            (10, [Part(1, 0, 10)]),
            (11, [Part(1, 0, 10), Part(2, 10, 1)]),
            (20, [Part(1, 0, 10), Part(2, 10, 10)]),
        ],
    )
    def test_all_bytes_are_in_one_part(self, size: int, expected: list[Part]) -> None:
        assert split_parts(size, 10) == expected


def test_parts_in_any_order_become_the_object(storage: ObjectStorage, upload_id: str) -> None:
    first, last = os.urandom(LEAST), os.urandom(1000)
    assert send(storage, upload_id, 2, last) == 200
    assert send(storage, upload_id, 1, first) == 200
    assert sizes(storage, upload_id) == [(1, LEAST), (2, 1000)]
    with pytest.raises(ObjectMissingError):
        storage.head(KEY)

    storage.join_parts(KEY, upload_id, storage.list_stored_parts(KEY, upload_id))

    assert storage.head(KEY) == ObjectInfo(LEAST + 1000, "video/mp4")
    assert storage.read(KEY, LEAST + 1000) == first + last


def test_parts_of_our_own_are_like_those_that_are_sent(
    storage: ObjectStorage, upload_id: str
) -> None:
    for content in (b"first", b"second"):
        storage.write_part(KEY, upload_id, 1, content)
    assert sizes(storage, upload_id) == [(1, 6)]
    storage.join_parts(KEY, upload_id, storage.list_stored_parts(KEY, upload_id))
    assert storage.read(KEY, 100) == b"second"


def test_of_what_is_aborted_no_part_can_be_written(storage: ObjectStorage, upload_id: str) -> None:
    storage.abort_parts(KEY, upload_id)
    with pytest.raises((ObjectMissingError, ClientError)):  # as `GONE`
        storage.write_part(KEY, upload_id, 1, b"late")


def test_a_part_sent_again_replaces_itself(storage: ObjectStorage, upload_id: str) -> None:
    send(storage, upload_id, 1, b"first")
    send(storage, upload_id, 1, b"second")
    storage.join_parts(KEY, upload_id, storage.list_stored_parts(KEY, upload_id))
    assert storage.read(KEY, 100) == b"second"


def test_what_is_over_takes_no_more(storage: ObjectStorage, upload_id: str) -> None:
    url = storage.presigned_part(KEY, upload_id, number=1, size_bytes=1)
    assert requests.put(url, b"x", timeout=10).status_code == 200
    parts = storage.list_stored_parts(KEY, upload_id)
    storage.join_parts(KEY, upload_id, parts)

    assert requests.put(url, b"y", timeout=10).status_code in GONE
    with pytest.raises(ObjectMissingError):
        storage.list_stored_parts(KEY, upload_id)
    with suppress(ObjectMissingError):  # S3 may say that it is done
        storage.join_parts(KEY, upload_id, parts)
    storage.abort_parts(KEY, upload_id)
    assert storage.read(KEY, 10) == b"x"


def test_an_aborted_upload_leaves_nothing(storage: ObjectStorage, upload_id: str) -> None:
    url = storage.presigned_part(KEY, upload_id, number=1, size_bytes=1)
    requests.put(url, b"x", timeout=10)
    storage.abort_parts(KEY, upload_id)
    storage.abort_parts(KEY, upload_id)

    assert requests.put(url, b"x", timeout=10).status_code in GONE
    with pytest.raises(ObjectMissingError):
        storage.list_stored_parts(KEY, upload_id)
    with pytest.raises(ObjectMissingError):
        storage.head(KEY)
    assert storage.list_unfinished(before=datetime.now(UTC) + timedelta(days=1)) == []


def test_a_listing_that_meets_the_end_is_not_taken_for_no_parts(
    filesystem_storage: SignedFileSystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = filesystem_storage.begin_parts(KEY, content_type="video/mp4")
    assert send(filesystem_storage, upload_id, 1, b"part") == 200

    def joined_meanwhile(folder: Path) -> Iterator[Path]:
        filesystem_storage.abort_parts(KEY, upload_id)
        yield from []

    monkeypatch.setattr(Path, "iterdir", joined_meanwhile)
    with pytest.raises(ObjectMissingError):
        filesystem_storage.list_stored_parts(KEY, upload_id)


def test_uploads_do_not_mix(storage: ObjectStorage, upload_id: str) -> None:
    other = storage.begin_parts(OTHER, content_type="audio/wav")
    send(storage, upload_id, 1, b"mine")
    assert storage.list_stored_parts(OTHER, other) == []
    storage.abort_parts(OTHER, other)
    assert sizes(storage, upload_id) == [(1, 4)]


def test_the_storage_tells_which_are_unfinished(storage: ObjectStorage, upload_id: str) -> None:
    send(storage, upload_id, 1, b"x")
    assert storage.list_unfinished(before=datetime(2009, 1, 1, tzinfo=UTC)) == []
    [name] = storage.list_unfinished(before=datetime.now(UTC) + timedelta(days=1))

    assert storage.remove_unfinished(name)
    assert not storage.remove_unfinished(name)
    with pytest.raises(ObjectMissingError):
        storage.list_stored_parts(KEY, upload_id)


@pytest.mark.parametrize("unreached", UNREACHED, ids=["filesystem", "s3"])
@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", ""])
def test_no_other_keys_than_ours(unreached: ObjectStorage, key: str) -> None:
    for use in (
        lambda: unreached.begin_parts(key, content_type="video/mp4"),
        lambda: unreached.presigned_part(key, "1", number=1, size_bytes=1),
        lambda: unreached.list_stored_parts(key, "1"),
        lambda: unreached.write_part(key, "1", 1, b"x"),
        lambda: unreached.join_parts(key, "1", [StoredPart(1, 1, "")]),
        lambda: unreached.abort_parts(key, "1"),
    ):
        with pytest.raises(InvalidKey):
            use()


class TestOwnUrls:
    """The file system's URLs bind what S3's signature does."""

    @pytest.fixture
    def url(self, filesystem_storage: SignedFileSystemStorage) -> str:
        self.upload_id = filesystem_storage.begin_parts(KEY, content_type="video/mp4")
        return filesystem_storage.presigned_part(KEY, self.upload_id, number=1, size_bytes=3)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("part_number=1", "part_number=2"),
            ("size_bytes=3", "size_bytes=4"),
            ("users/1/tests/2", "users/2/tests/3"),
            ("upload_id=", "upload_id=a"),
            ("&part_number=1", ""),
        ],
    )
    def test_nothing_can_be_altered(self, url: str, old: str, new: str) -> None:
        assert old in url
        answer = requests.put(url.replace(old, new), b"abc", timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (403, "signature_invalid")

    def test_the_size_is_the_signed_one(
        self, url: str, filesystem_storage: SignedFileSystemStorage
    ) -> None:
        for content, code in ((b"ab", "size_mismatch"), (b"abcd", "file_too_large")):
            assert requests.put(url, content, timeout=10).json()["code"] == code
        assert filesystem_storage.list_stored_parts(KEY, self.upload_id) == []
        typed = {"Content-Type": "video/mp4"}  # as browsers do with a file's slice
        assert requests.put(url, b"abc", headers=typed, timeout=10).status_code == 200

    def test_it_expires(self, filesystem_storage: SignedFileSystemStorage) -> None:
        upload_id = filesystem_storage.begin_parts(KEY, content_type="video/mp4")
        url = filesystem_storage.presigned_part(KEY, upload_id, number=1, size_bytes=1, expires=0)
        assert requests.put(url, b"x", timeout=10).json()["code"] == "url_expired"
