"""A file comes by its URL: whole, in spite of breaks, and as what an upload of it would be."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from rest_framework.test import APIClient

from accounts.models import User
from auteur.core.work.leases import LeaseLostError
from media import imports
from media.imports import limits
from media.imports.states import IMPORTS
from media.models import ImportStatus, MediaFile, MediaImport, MediaStatus
from media.storage import ObjectMissingError, ObjectStorage
from media.storage.filesystem import PARTS, SignedFileSystemStorage
from projects.models import Project
from tests.media import samples
from tests.media.imports.conftest import PADDED_BYTES, PART_BYTES, padded_film
from tests.media.imports.source import File, Source, chunked, plain

Importing = Callable[..., MediaFile]
Fetch = Callable[[MediaFile], MediaFile]


def row_of(media: MediaFile) -> MediaImport:
    return MediaImport.objects.get(pk=media.pk)


def test_a_film_comes_by_its_url(
    storage: ObjectStorage,
    source: Source,
    importing: Importing,
    fetch: Fetch,
    api: APIClient,
    project: Project,
) -> None:
    content = padded_film()
    media = importing(source.serves("/a/film.mp4", File(content)) + "?token=secret")
    body = api.get(f"/media/{media.pk}").json()
    assert (body["status"], body["name"], body["project_id"]) == (
        "uploading",
        "film.mp4",
        str(project.pk),
    )
    assert body["import"] == {
        "url": source.url("/a/film.mp4"),
        "progress": 0.0,
        "received_bytes": 0,
        "size_bytes": None,
        "error": None,
    }

    media = fetch(media)

    body = api.get(f"/media/{media.pk}").json()
    assert (body["status"], body["type"], body["mime_type"]) == ("ready", "video", "video/mp4")
    assert body["duration_ms"] == 400
    assert body["import"] == {
        "url": source.url("/a/film.mp4"),
        "progress": 1.0,
        "received_bytes": PADDED_BYTES,
        "size_bytes": PADDED_BYTES,
        "error": None,
    }
    assert storage.read(media.r2_key, PADDED_BYTES) == content
    assert source.asked[0].path == "/a/film.mp4?token=secret"
    assert not {"cookie", "referer", "authorization"} & {*source.asked[0].headers}
    row = row_of(media)
    assert (row.status, row.url, row.due_at) == (ImportStatus.DONE, None, None)


def test_a_second_try_goes_on_where_the_first_was_broken_off(
    storage: ObjectStorage, source: Source, importing: Importing, fetch: Fetch, api: APIClient
) -> None:
    content = padded_film()
    media = importing(source.serves("/film.mp4", File(content, break_after=PADDED_BYTES - 1)))

    assert fetch(media).status == MediaStatus.UPLOADING
    output = api.get("/media").json()["media"][0]
    assert output["import"]["error"]["code"] == "interrupted"
    row = row_of(media)
    assert (row.status, row.tries) == (ImportStatus.WAITING, 1)

    media = fetch(media)

    assert media.status == MediaStatus.READY
    request_data = source.asked[1].headers
    assert (request_data["range"], request_data["if-range"]) == (f"bytes={PART_BYTES}-", '"v1"')
    assert storage.read(media.r2_key, PADDED_BYTES) == content


@pytest.mark.parametrize(
    ("etag", "ranges", "mark"),
    [('"v2"', True, b"2"), ('"v1"', False, b"2"), ('"v1"', True, b"22")],
    ids=["another version", "no ranges", "another length"],
)
def test_what_is_another_file_by_now_comes_from_its_start(
    filesystem_storage: SignedFileSystemStorage,
    source: Source,
    importing: Importing,
    fetch: Fetch,
    etag: str,
    ranges: bool,
    mark: bytes,
) -> None:
    answer = File(padded_film(mark), etag=etag, ranges=ranges)
    first = File(padded_film(), break_after=PADDED_BYTES - 1)
    media = importing(source.serves("/film.mp4", first))
    fetch(media)
    source.serves("/film.mp4", answer)

    media = fetch(media)

    content = filesystem_storage.read(media.r2_key, 2 * PADDED_BYTES)
    assert content == answer.content
    assert not list((filesystem_storage.root / PARTS).iterdir())


def test_a_range_that_cannot_be_is_asked_for_no_more(
    filesystem_storage: ObjectStorage, source: Source, importing: Importing, fetch: Fetch
) -> None:
    content = padded_film()
    whole = File(content, break_after=PADDED_BYTES - 1)
    media = importing(source.serves("/film.mp4", whole))
    fetch(media)

    def refusing(handler: Any) -> None:
        plain(416)(handler) if "Range" in handler.headers else whole(handler)

    source.serves("/film.mp4", refusing)
    assert fetch(media).status == MediaStatus.READY


def test_a_worker_that_died_between_the_last_part_and_the_check_is_made_up_for(
    filesystem_storage: ObjectStorage, source: Source, importing: Importing, fetch: Fetch
) -> None:
    media = importing(source.serves("/film.mp4", File(samples.video())))
    fetch(media)
    url = importing(source.url()).url_import.url
    open_again = {"status": ImportStatus.WAITING, "due_at": Now(), "url": url}
    MediaImport.objects.filter(pk=media.pk).update(**open_again)
    assert fetch(media).status == MediaStatus.READY
    assert (row_of(media).status, len(source.asked)) == (ImportStatus.DONE, 1)


def test_what_told_no_size_comes_too_and_may_be_so_large(
    filesystem_storage: ObjectStorage,
    source: Source,
    importing: Importing,
    fetch: Fetch,
    settings: Any,
) -> None:
    content = samples.video()
    settings.MAX_UNSIZED_UPLOAD_BYTES = len(content)
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n" + content
    source.serves("/film.mp4", lambda handler: handler.wfile.write(whole))
    media = fetch(importing(source.url()))
    assert (media.status, media.file_size_bytes) == (MediaStatus.READY, len(content))

    source.serves("/film.mp4", chunked(len(content) + 1))
    assert fetch(importing(source.url())).metadata["rejected"] == "file_too_large"


class TestNames:
    @pytest.mark.parametrize(
        ("path", "headers", "filename", "name", "mime_type"),
        [
            ("/a%20b.mp4", {"Content-Type": "video/mp4"}, None, "a b.mp4", "video/mp4"),
            ("/get", {"Content-Type": "video/mp4; x=1"}, "My film", "My film", "video/mp4"),
            ("/get.MP4", {"Content-Type": "binary/octet-stream"}, None, "get.MP4", "video/mp4"),
            ("/get", {}, "film.mp4", "film.mp4", "video/mp4"),
            (
                "/get",
                {"Content-Disposition": 'attachment; filename="../caf\xe9.mp4"'},
                None,
                "caf.mp4",
                "video/mp4",
            ),
            ("/", {"Content-Type": "video/mp4"}, None, "127.0.0.1", "video/mp4"),
        ],
    )
    def test_type_and_name_are_what_is_known_of_them(
        self,
        filesystem_storage: ObjectStorage,
        source: Source,
        importing: Importing,
        fetch: Fetch,
        path: str,
        headers: dict[str, str],
        filename: str | None,
        name: str,
        mime_type: str,
    ) -> None:
        source.serves(path, File(samples.video(), headers=headers))
        values = {"filename": filename} if filename else {}
        media = fetch(importing(source.url(path), **values))
        assert (media.status, media.name, media.mime_type) == ("ready", name, mime_type)


class TestOpen:
    """While it is on its way."""

    def test_confirming_says_how_far_it_is_and_nothing_can_be_sent(
        self, filesystem_storage: Any, source: Source, importing: Importing, fetch: Fetch, api: Any
    ) -> None:
        media = importing(source.serves("/film.mp4", File(samples.video())))
        at = f"/projects/{media.project_id}/media/{media.pk}"
        answer = api.post(f"{at}/confirm")
        assert (answer.status_code, answer.json()["media"]["status"]) == (202, "uploading")
        answer = api.get(f"{at}/upload")
        assert (answer.status_code, answer.json()["code"]) == (409, "upload_over")
        fetch(media)
        assert api.post(f"{at}/confirm").status_code == 200

    @pytest.mark.parametrize("of", ["/media/{0.pk}", "/projects/{0.project_id}"])
    def test_deleting_it_or_its_project_ends_it_and_frees_its_room(
        self,
        filesystem_storage: Any,
        source: Source,
        importing: Importing,
        fetch: Any,
        api: Any,
        of: str,
    ) -> None:
        broken = File(padded_film(), break_after=PADDED_BYTES - 1)
        media = importing(source.serves("/film.mp4", broken))
        fetch(media)
        assert api.get("/users/me").json()["storage"]["used_bytes"] == PADDED_BYTES
        lease = IMPORTS.claim(media.pk)
        assert lease is not None
        assert api.delete(of.format(media)).status_code == 204
        with pytest.raises(LeaseLostError):
            lease.renew()
        assert not MediaFile.objects.exists()
        assert api.get("/users/me").json()["storage"]["used_bytes"] == 0

    def test_a_message_about_what_is_gone_or_over_does_nothing(
        self, filesystem_storage: Any, source: Source, importing: Importing, fetch: Fetch
    ) -> None:
        media = importing(source.serves("/film.mp4", File(samples.video())))
        fetch(media)
        assert fetch(media).status == MediaStatus.READY
        assert len(source.asked) == 1

    def test_after_a_turn_others_have_theirs(
        self,
        filesystem_storage: Any,
        source: Source,
        importing: Importing,
        fetch: Fetch,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        media = importing(source.serves("/film.mp4", File(padded_film())))
        monkeypatch.setattr(limits, "TIME_SLICE_SECONDS", 0)
        assert fetch(media).status == MediaStatus.UPLOADING
        row = row_of(media)
        assert (row.status, row.tries, row.error) == (ImportStatus.WAITING, 0, None)
        assert IMPORTS.select_due(10) == [media.pk]
        assert fetch(media).status == MediaStatus.READY
        assert source.asked[1].headers["range"] == f"bytes={PART_BYTES}-"

    @pytest.mark.parametrize("limit", ["TRY_SECONDS", "MAX_DURATION"])
    def test_it_has_to_come_in_time(
        self,
        filesystem_storage: Any,
        source: Source,
        importing: Importing,
        fetch: Fetch,
        monkeypatch: pytest.MonkeyPatch,
        limit: str,
    ) -> None:
        without_versions = File(padded_film(), etag="")
        media = importing(source.serves("/film.mp4", without_versions))
        monkeypatch.setattr(limits, limit, timedelta(0) if limit == "MAX_DURATION" else 0)
        assert fetch(media).metadata["rejected"] == "import_timed_out"


class TestSecrets:
    def test_a_url_is_kept_sealed_told_in_part_and_forgotten(
        self,
        filesystem_storage: Any,
        source: Source,
        begin: Any,
        fetch: Fetch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        source.serves("/film.mp4", plain(503))
        answer = begin(source.url("/film.mp4?sig=s3cr3t"))
        assert "s3cr3t" not in answer.content.decode()
        media = MediaFile.objects.get(pk=answer.json()["media"]["id"])
        sealed = MediaImport.objects.values_list("url", flat=True).get()
        stored = [*MediaImport.objects.defer("url").values_list(), *MediaFile.objects.values_list()]
        assert "s3cr3t" not in str(stored)
        assert b"s3cr3t" not in bytes(sealed)
        for _ in range(limits.MAX_TRIES):
            fetch(media)
        assert source.asked[0].path == "/film.mp4?sig=s3cr3t"
        assert MediaImport.objects.get().url is None
        assert "s3cr3t" not in caplog.text

    def test_a_signed_path_is_asked_for_as_it_was_written(
        self, source: Source, importing: Importing, fetch: Fetch, filesystem_storage: Any
    ) -> None:
        path = "/a%2Fb/%7Efilm.mp4?Credential=a%2Fb%2Bc&x=a%20b+c"
        importing(source.url(path))
        fetch(MediaFile.objects.get())
        assert source.asked[0].path == path


def test_from_python_without_a_project(
    filesystem_storage: Any, source: Source, fetch: Fetch, user: User
) -> None:
    source.serves("/film.mp4", File(samples.video()))
    media = imports.start_import(user_id=user.pk, project_id=None, url=source.url())
    media = fetch(media)
    assert (media.status, media.project_id) == (MediaStatus.READY, None)


def test_nothing_is_left_of_what_was_refused(
    storage: ObjectStorage, source: Source, importing: Importing, fetch: Fetch, api: APIClient
) -> None:
    media = fetch(importing(source.serves("/film.mp4", File(samples.TEXT))))
    assert media.metadata["rejected"] == "unsupported_media"
    with pytest.raises(ObjectMissingError):
        storage.head(media.r2_key)
    assert api.get("/users/me").json()["storage"]["used_bytes"] == 0
