"""`manage.py storage_verify`: whatever is off is named, and nothing else."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from media import orphans, verification
from media.models import MediaFile
from media.storage import ObjectStorage

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept(storage: ObjectStorage, make_media: Any, make_user: Any) -> Callable[..., MediaFile]:
    """A media file with its object and a thumbnail, in the books as in the storage."""

    def make(owner: User | None = None) -> MediaFile:
        media: MediaFile = make_media(owner or make_user(), file_size_bytes=3)
        media.thumbnail_r2_key = media.derived_keys()["thumbnail_r2_key"]
        media.save()
        for key in (media.r2_key, media.thumbnail_r2_key):
            storage.write(key, b"abc", media.mime_type)
        return media

    return make


def verified(*arguments: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    out = StringIO()
    try:
        call_command("storage_verify", *arguments, stdout=out)
    except SystemExit as exit_:
        return int(str(exit_.code)), out.getvalue()
    return 0, out.getvalue()


def test_books_that_agree(kept: Callable[..., MediaFile], monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        kept()
    monkeypatch.setattr(orphans, "PAGE_SIZE", 3)
    monkeypatch.setattr(verification, "USERS_PER_PAGE", 2)
    monkeypatch.setattr(verification, "ROWS_PER_PAGE", 1)

    code, output = verified()

    assert code == 0, output
    assert "Checked 10 objects (30 bytes)" in output
    assert output.endswith("The database and the storage agree.\n")


def test_what_is_off_is_named(
    storage: ObjectStorage, kept: Callable[..., MediaFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (orphans, verification):
        monkeypatch.setattr(module, "MAX_WRITE_LIFETIME", timedelta(seconds=-5))
    monkeypatch.setattr(orphans, "PAGE_SIZE", 2)
    gone, changed, bare, _ = (kept() for _ in range(4))
    storage.delete(gone.r2_key)
    storage.write(changed.r2_key, b"other", "audio/wav")
    storage.delete(bare.thumbnail_r2_key or "")
    storage.write("users/1/media/2/source.mp4", b"lost", "video/mp4")
    storage.write("notes.txt", b"mine", "text/plain")

    code, output = verified("--json")

    report = json.loads(output)
    assert (code, report["ok"], report["objects"]) == (1, False, 8)
    results = {
        finding["key"]: (finding["rule"], finding["expected"], finding["found"])
        for finding in report["findings"]
    }
    assert results == {
        gone.r2_key: ("row_without_object", 3, None),
        bare.thumbnail_r2_key: ("row_without_object", None, None),
        changed.r2_key: ("size_differs", 3, 5),
        "users/1/media/2/source.mp4": ("object_without_row", None, 4),
        "notes.txt": ("unknown_object", None, 4),
    }
    code, output = verified("--limit", "1")
    assert code == 1
    assert "… and 4 more (raise --limit to list them)" in output
    assert "OFF: " in output


def test_what_is_just_being_written_is_not_off(storage: ObjectStorage) -> None:
    storage.write("users/1/jobs/2/3/result-0.mp4", b"abc", "video/mp4")
    assert verification.verify_storage().total == 0


def test_an_object_costs_no_query_of_its_own(kept: Callable[..., MediaFile], user: User) -> None:
    kept(user)
    with CaptureQueriesContext(
        connection,
    ) as few:
        verification.verify_storage()
    for _ in range(10):
        kept(user)
    with CaptureQueriesContext(connection) as many:
        verification.verify_storage()
    assert len(many) == len(few)
