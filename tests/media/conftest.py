"""Both object storages, for real: files behind our own signed URLs, and an S3 server over HTTP."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.files.storage import storages
from django.core.handlers.wsgi import WSGIHandler
from django.db import DEFAULT_DB_ALIAS, connections
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings
from rest_framework.test import APIClient

from accounts.models import User
from auteur.server import bodies
from media import checking
from media.kinds import FILES
from media.models import MediaFile
from media.storage.filesystem import SignedFileSystemStorage
from media.storage.s3 import PresignedS3Storage
from projects.models import Project
from tests.auteur.server.serving import serving
from tests.media import samples

BUCKET = "auteur-tests"
ACCESS_KEY, SECRET_KEY, REGION = "AKIDEXAMPLE", "not-a-real-secret", "us-east-1"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class SharingApplication:
    """Our API on the test's own connection, which sees what the test has not committed."""

    def __init__(self) -> None:
        self.connection: Any = None
        self._application = WSGIHandler()
        self._thread = threading.local()
        self.in_turn = threading.Lock()
        """One connection has one transaction at a time."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if self.connection is None:
            self._connect()
            return self._application(environ, start_response)
        with self.in_turn:
            self._connect()
            return self._application(environ, start_response)

    def _connect(self) -> None:
        """Take the test's connection, or forget the one of a test that is over."""
        if self.connection is not None:
            connections[DEFAULT_DB_ALIAS] = self.connection
        elif getattr(self._thread, "shares", False):
            del connections[DEFAULT_DB_ALIAS]
        self._thread.shares = self.connection is not None


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[SharingApplication, str]]:
    """Our API and its address, served from a thread."""
    application = SharingApplication()
    with serving(application, bodies.get_body_limit) as server:
        yield application, f"http://127.0.0.1:{server.port}"


@pytest.fixture
def http_server(
    served: tuple[SharingApplication, str], db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The address of our API, which sees what the test sees."""
    application, address = served
    connection = connections[DEFAULT_DB_ALIAS]
    shared = connection.in_atomic_block
    if shared:
        connection.inc_thread_sharing()
        # Django ends what a request has left open, and a test's transaction is.
        monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: None)
        application.connection = connection
    yield address
    with application.in_turn:
        application.connection = None
    if shared:
        connection.dec_thread_sharing()


@pytest.fixture
def filesystem_storage(
    settings: Settings, http_server: str, tmp_path: Path
) -> SignedFileSystemStorage:
    """The file-system storage, its URLs served over HTTP."""
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "media.storage.filesystem.SignedFileSystemStorage",
            "OPTIONS": {
                "location": str(tmp_path / "objects"),
                "base_url": f"{http_server}/storage/",
                "signing_key": "k" * 40,
            },
        }
    }
    storage = storages["default"]
    assert isinstance(storage, SignedFileSystemStorage)
    return storage


@pytest.fixture
def use_s3(settings: Settings) -> Callable[..., PresignedS3Storage]:
    """Have the settings name an S3 storage at ``endpoint_url``."""

    def use(endpoint_url: str, **options: Any) -> PresignedS3Storage:
        settings.STORAGES = settings.STORAGES | {
            "default": {
                "BACKEND": "media.storage.s3.PresignedS3Storage",
                "OPTIONS": {
                    "bucket_name": BUCKET,
                    "endpoint_url": endpoint_url,
                    "region_name": REGION,
                    "access_key": ACCESS_KEY,
                    "secret_key": SECRET_KEY,
                    "signature_version": "s3v4",
                    "addressing_style": "path",
                    **options,
                },
            }
        }
        storage = storages["default"]
        assert isinstance(storage, PresignedS3Storage)
        return storage

    return use


@pytest.fixture
def s3_storage(
    use_s3: Callable[..., PresignedS3Storage], s3_server: str
) -> Iterator[PresignedS3Storage]:
    """The S3 storage with an empty bucket."""
    storage = use_s3(s3_server)
    storage.client.create_bucket(Bucket=BUCKET)
    yield storage
    requests.post(f"{s3_server}/moto-api/reset", timeout=10).raise_for_status()


@pytest.fixture(params=["filesystem", "s3"])
def storage(
    request: pytest.FixtureRequest,
) -> SignedFileSystemStorage | PresignedS3Storage:
    """Each of the two storages in turn; both must pass the same tests."""
    results = request.getfixturevalue(f"{request.param}_storage")
    assert isinstance(results, SignedFileSystemStorage | PresignedS3Storage)
    return results


@pytest.fixture
def project(user: User) -> Project:
    """A project of ``user``."""
    return Project.objects.create(user=user, name="Holiday")


@pytest.fixture
def ask(api: APIClient, project: Project) -> Callable[..., dict[str, Any]]:
    """Ask for an upload URL as ``user`` and return the answer."""

    def request(
        filename: str = "film.mp4", content_type: str = "video/mp4", size_bytes: int | None = None
    ) -> dict[str, Any]:
        body = {"filename": filename, "content_type": content_type, "size_bytes": size_bytes}
        answer = api.post(f"/projects/{project.pk}/media/upload-url", body, format="json")
        assert answer.status_code == 201, answer.content
        return answer.json()

    return request


def send(upload: dict[str, Any], content: bytes) -> requests.Response:
    """Upload as a client does."""
    return requests.request(
        upload["method"],
        upload["upload_url"],
        headers=upload["headers"],
        data=content,
        timeout=10,
    )


@pytest.fixture
def uploaded(ask: Callable[..., dict[str, Any]]) -> Callable[..., MediaFile]:
    """Upload ``content`` without confirming it."""

    def upload(
        content: bytes,
        content_type: str = "video/mp4",
        size_bytes: int | None = None,
        filename: str = "film.mp4",
    ) -> MediaFile:
        answer = ask(filename, content_type, size_bytes)
        sent = send(answer, content)
        assert sent.status_code == 200, sent.content
        return MediaFile.objects.get(pk=answer["media_id"])

    return upload


@pytest.fixture
def begin_confirm(
    api: APIClient,
    project: Project,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Callable[[MediaFile], Any]:
    """Confirm an upload as ``user``."""

    def request(media: MediaFile) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return api.post(f"/projects/{project.pk}/media/{media.pk}/confirm")

    return request


@pytest.fixture
def confirm(
    begin_confirm: Callable[[MediaFile], Any],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Callable[[MediaFile], Any]:
    """Confirm an upload as ``user`` and ask again once it has been checked."""

    def request(media: MediaFile) -> Any:
        answer = begin_confirm(media)
        if answer.status_code != 202:
            return answer
        with django_capture_on_commit_callbacks(execute=True):
            checking.run_check(FILES, media.pk)
        return begin_confirm(media)

    return request


@pytest.fixture
def ready(
    uploaded: Callable[..., MediaFile], confirm: Callable[[MediaFile], Any]
) -> Callable[[], MediaFile]:
    """A confirmed film with its object."""

    def make() -> MediaFile:
        media = uploaded(samples.video())
        assert confirm(media).status_code == 200
        media.refresh_from_db()
        return media

    return make


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """The port of a server, and the paths that it was asked for."""
    requests_made: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests_made.append(self.path)
            self.send_error(404)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server.server_port, requests_made
    server.shutdown()
    server.server_close()
    thread.join()
