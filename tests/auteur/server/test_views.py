"""How much each path takes, as its view says."""

import pytest
from pytest_django import Settings

from auteur.server.bodies import get_body_limit
from media.storage.filesystem import SignedFileSystemStorage
from projects.interchange.formats import MAX_INTERCHANGE_BYTES
from tests.media.conftest import filesystem_storage, http_server, served  # noqa: F401

PROJECT = "/projects/0b0e7a52-6d6f-4a39-9a0e-1b8e6f5f2f11"


def limit(method: str, address: str) -> int:
    path, _, query = address.partition("?")
    return get_body_limit({"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query})


def test_each_path_takes_what_its_view_says(settings: Settings) -> None:
    assert limit("POST", "/jobs/batch") == settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert limit("POST", "/admin/login/") == settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert limit("POST", f"{PROJECT}/edl/import?format=otio") == MAX_INTERCHANGE_BYTES
    assert limit("POST", f"{PROJECT}/nothing") == limit("POST", "/\xff") == 0


def test_a_signed_url_takes_what_it_was_signed_for(
    filesystem_storage: SignedFileSystemStorage,  # noqa: F811
    settings: Settings,
) -> None:
    def signed(size_bytes: int | None, **result: int) -> str:
        url = filesystem_storage.presigned_put(
            "a/b.mp4", content_type="video/mp4", size_bytes=size_bytes, **result
        )
        return url[url.index("/storage/") :]

    assert limit("PUT", signed(5)) == 5
    assert limit("PUT", signed(None)) == settings.MAX_UPLOAD_BYTES
    assert limit("PUT", signed(settings.MAX_UPLOAD_BYTES + 1)) == settings.MAX_UPLOAD_BYTES
    assert limit("PUT", signed(5)[:-1]) == limit("PUT", "/storage/a/b.mp4") == 0
    assert limit("PUT", signed(5, expires=0)) == limit("POST", signed(5)) == 0


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_without_a_storage_of_our_own_nothing_is_taken(settings: Settings, method: str) -> None:
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }
    assert limit(method, "/storage/a/b.mp4?signature=x") == 0
