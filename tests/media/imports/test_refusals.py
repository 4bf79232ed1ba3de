"""What is not fetched: for good, or not yet; each with its reason, and each limit at its edge."""

import threading
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient
from yarl import URL

from auteur.core.net.outbound import AddressPolicy
from gpu_tasks.runtime.errors import InputRefusedError
from media.imports import limits
from media.imports.addresses import build_policy, parse_redirection
from media.imports.transfer import Transfer
from media.models import ImportStatus, MediaFile, MediaImport, MediaStatus
from media.storage.filesystem import INCOMING, PARTS, SignedFileSystemStorage
from projects.models import Project
from tests.auteur.core.net.test_outbound import Names
from tests.jobs.integrations.webhooks.receiver import Receiver, continuing, dripping, self_signed
from tests.media import samples
from tests.media.imports.source import Answer, File, Source, plain, saying

Importing = Callable[..., MediaFile]
Fetch = Callable[[MediaFile], MediaFile]
FILM = samples.video()


@pytest.fixture(autouse=True)
def storage(filesystem_storage: SignedFileSystemStorage) -> SignedFileSystemStorage:
    return filesystem_storage


def is_empty(storage: SignedFileSystemStorage) -> bool:
    folders = (storage.root / folder for folder in (PARTS, INCOMING))
    return not any(path.is_file() for folder in folders for path in folder.rglob("*"))


def film(**headers: str) -> Answer:
    return plain(200, FILM, **headers)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (plain(404), "source_not_found"),
        (plain(410), "source_not_found"),
        (plain(401), "source_forbidden"),
        (plain(403), "source_forbidden"),
        (plain(400), "source_refused"),
        (plain(204), "source_refused"),
        (plain(206, FILM), "source_refused"),
        (plain(200, b"<html>", content_type="text/html; charset=utf-8"), "web_page"),
        (plain(200, b"PK", content_type="application/zip"), "unsupported_media_type"),
        (film(content_type="video/mp4", content_encoding="gzip"), "encoding_refused"),
        (plain(200, content_type="video/mp4"), "empty_file"),
        (film(content_type="video/mp4", content_length="10000000000"), "file_too_large"),
        (plain(302, location="/get"), "too_many_redirects"),
        (plain(302), "too_many_redirects"),
        (plain(302, location="http://169.254.169.254/latest/meta-data"), "redirect_refused"),
        (plain(302, location="file:///etc/passwd"), "redirect_refused"),
        (plain(302, location="//me:pass@127.0.0.1/"), "redirect_refused"),
        (plain(302, location="http://[::ffff:10.0.0.1]/"), "redirect_refused"),
        (plain(302, location="http://\xff\xfe/"), "redirect_refused"),
    ],
)
def test_what_no_further_try_would_change(
    source: Source,
    importing: Importing,
    fetch: Fetch,
    api: APIClient,
    storage: SignedFileSystemStorage,
    answer: Answer,
    code: str,
) -> None:
    media = fetch(importing(source.serves("/get", answer)))
    body = api.get(f"/media/{media.pk}").json()
    assert (body["status"], body["rejection"]["code"]) == ("rejected", code)
    assert body["rejection"]["detail"]
    row = MediaImport.objects.get()
    assert (row.status, row.url) == (ImportStatus.FAILED, None)
    assert is_empty(storage)
    assert api.get("/users/me").json()["storage"]["used_bytes"] == 0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (plain(500), "source_unavailable"),
        (plain(503), "source_unavailable"),
        (plain(429), "source_unavailable"),
        (film(content_type="video/mp4", content_length=str(len(FILM) + 1)), "interrupted"),
        (saying(b""), "interrupted"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "invalid_answer"),
    ],
)
def test_what_another_try_may_change(
    source: Source, importing: Importing, fetch: Fetch, answer: Answer, code: str
) -> None:
    media = fetch(importing(source.serves("/get", answer)))
    row = MediaImport.objects.get()
    assert (media.status, row.status) == (MediaStatus.UPLOADING, ImportStatus.WAITING)
    assert row.error is not None
    assert (row.error.code, row.tries) == (code, 1)


@pytest.mark.parametrize("behaviour", ["hanging", "dripping", "continuing"])
def test_servers_that_take_their_time(
    importing: Importing, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, behaviour: str
) -> None:
    monkeypatch.setattr(limits, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(limits, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(limits, "PACE_SECONDS", 0.3)
    released = threading.Event()
    with Source() as source, Receiver() as receiver:
        source.serves("/f.mp4", File(FILM, break_after=len(FILM) - 1, waits=released))
        receiver.answers = {"/dripping.mp4": dripping, "/continuing.mp4": continuing}
        url = source.url("/f.mp4") if behaviour == "hanging" else receiver.url(f"/{behaviour}.mp4")
        fetch(importing(url))
        released.set()
    code = MediaImport.objects.values_list("error_code", flat=True).get()
    assert code == ("too_slow" if behaviour == "dripping" else "timeout")


def test_tries_are_bounded_and_come_later_and_later(
    source: Source, importing: Importing, fetch: Fetch, api: APIClient
) -> None:
    media = importing(source.serves("/film.mp4", plain(500)))
    for tries in range(1, limits.MAX_TRIES):
        assert fetch(media).status == MediaStatus.UPLOADING
        assert MediaImport.objects.get().tries == tries
    fetch(media)
    rejection = api.get(f"/media/{media.pk}").json()["rejection"]
    assert rejection["code"] == "source_unavailable"
    assert len(source.asked) == limits.MAX_TRIES
    assert list(limits.RETRY_AFTER) == sorted({*limits.RETRY_AFTER})


def test_nobody_is_there(importing: Importing, fetch: Fetch, tmp_path: Path) -> None:
    with Source() as source:
        gone = importing(source.url())
    fetch(gone)
    assert MediaImport.objects.get().error_code == "connection_failed"
    with Receiver(self_signed(tmp_path)) as receiver:
        unknown = fetch(importing(receiver.url("/f.mp4").replace("http://", "https://")))
    assert unknown.metadata["rejected"] == "tls_failed"
    nameless = fetch(importing("https://nowhere.invalid/film.mp4"))
    output = nameless.metadata.get("rejected") or nameless.url_import.error_code
    assert output in {"name_not_resolved", "connection_failed"}  # where there is no name server


def test_the_last_redirection_and_one_more(
    source: Source, importing: Importing, fetch: Fetch
) -> None:
    for number in range(limits.MAX_REDIRECTS + 1):
        source.serves(f"/{number}", plain(302, location=f"{number + 1}#part"))
    source.serves(f"/{limits.MAX_REDIRECTS + 1}", File(FILM))
    assert fetch(importing(source.url("/1"))).status == MediaStatus.READY
    assert fetch(importing(source.url("/0"))).metadata["rejected"] == "too_many_redirects"


def test_a_name_that_means_another_address_when_it_is_asked_for_again(source: Source) -> None:
    port = URL(source.url()).port
    source.serves("/a", plain(302, location=f"http://rebinding.example:{port}/b"))
    allowed = AddressPolicy(
        schemes=("http",),
        ports=[range(1, 65536)],
        networks_allowed=[ip_network("127.0.0.1/32")],
    )
    names = Names("127.0.0.1", "127.0.0.2")
    with Transfer(allowed, max_bytes=1000, resolver=names) as transfer:
        with pytest.raises(InputRefusedError) as refused:
            transfer.open(URL(f"http://rebinding.example:{port}/a"))
        assert refused.value.code == "address_refused"
    assert len(source.asked) == 1


def test_nothing_leads_from_https_into_the_open() -> None:
    strict = AddressPolicy(schemes=("https", "http"), ports=[range(80, 81), range(443, 444)])
    url = URL("https://example.com/a")
    assert str(parse_redirection(url, "b?c#d", strict)) == "https://example.com/b?c"
    with pytest.raises(InputRefusedError):
        parse_redirection(url, "http://example.com/a", strict)
    assert parse_redirection(URL("http://example.com/"), "https://example.com/", strict)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "blank"),
        ("film.mp4", "scheme_refused"),
        ("ftp://example.com/film.mp4", "scheme_refused"),
        ("file:///etc/passwd", "scheme_refused"),
        ("https://me:pass@example.com/", "credentials_refused"),
        ("https://example.com/#part", "fragment_refused"),
        ("https://example.com:22/", "port_refused"),
        ("http://127.0.0.1/", "address_refused"),
        ("http://169.254.169.254/latest/meta-data", "address_refused"),
        ("http://redis/", "host_refused"),
        ("https://our.example/", "host_refused"),
        ("https://example.com/" + "x" * limits.MAX_URL_LENGTH, "max_length"),
    ],
)
def test_urls_that_are_refused_at_once(begin: Any, settings: Any, url: str, code: str) -> None:
    settings.IMPORT_ALLOWED_NETWORKS = []
    settings.IMPORT_PORTS = [range(80, 81), range(443, 444)]
    settings.PUBLIC_URL = "https://our.example"
    answer = begin(url)
    assert answer.status_code == 400
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("url", code)]
    assert not MediaFile.objects.exists()


def test_a_url_as_long_as_it_may_be(begin: Any) -> None:
    assert begin("https://example.com/".ljust(limits.MAX_URL_LENGTH, "x")).status_code == 202


def test_what_is_no_name_and_whose_project_is_anothers(
    begin: Any, api: APIClient, make_user: Any
) -> None:
    url = "https://example.com/a.mp4"
    assert begin(url, filename="a\x07.mp4").json()["errors"][0]["field"] == "filename"
    theirs = Project.objects.create(user=make_user(), name="Theirs")
    answer = api.post(f"/projects/{theirs.pk}/media/import", {"url": url}, format="json")
    assert answer.status_code == 404


def test_so_many_are_open_at_once(begin: Any, source: Source, fetch: Fetch, settings: Any) -> None:
    settings.MAX_OPEN_IMPORTS = 2
    source.serves("/film.mp4", File(FILM))
    first, _ = begin(source.url()), begin(source.url())
    refused = begin(source.url())
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_imports")
    assert refused.json()["max_open_imports"] == 2
    fetch(MediaFile.objects.get(pk=first.json()["media"]["id"]))
    assert begin(source.url()).status_code == 202


def test_a_file_needs_room(
    begin: Any, source: Source, importing: Importing, fetch: Fetch, settings: Any
) -> None:
    settings.MAX_UNSIZED_UPLOAD_BYTES = 1000
    settings.STORAGE_QUOTA_BYTES = len(FILM)
    source.serves("/film.mp4", File(FILM))
    assert fetch(importing(source.url())).status == MediaStatus.READY
    answer = begin(source.url())
    assert (answer.status_code, answer.json()["code"]) == (403, "storage_quota_exceeded")
    settings.STORAGE_QUOTA_BYTES = 2 * len(FILM) - 1
    media = fetch(importing(source.url()))
    assert media.metadata["rejected"] == "storage_quota_exceeded"
    assert "no storage left" in media.metadata["detail"]


def test_the_largest_file_and_one_byte_more(
    source: Source, importing: Importing, fetch: Fetch, settings: Any
) -> None:
    source.serves("/film.mp4", File(FILM))
    for maximum, status in ((len(FILM), MediaStatus.READY), (len(FILM) - 1, MediaStatus.REJECTED)):
        settings.MAX_UPLOAD_BYTES = maximum
        assert fetch(importing(source.url())).status == status


def test_what_may_be_called_follows_the_settings(settings: Any) -> None:
    settings.IMPORT_PORTS = [range(80, 81)]
    settings.WEBHOOK_REFUSED_NETWORKS = [ip_network("8.8.8.8/32")]
    assert build_policy().ports == settings.IMPORT_PORTS
    assert build_policy().networks_refused == settings.WEBHOOK_REFUSED_NETWORKS
