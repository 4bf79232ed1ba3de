"""Files of each format, and people who sign: by the settings, by another, with what is over."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest

from media.provenance import certificates, credentials
from media.provenance.credentials import FileCredentials, SignedResult
from media.provenance.source_types import GENERATED, Making, SourceType
from media.provenance.statements import Source, Statement
from media.storage import ObjectStorage, object_storage

MODEL = "owner/model@0123456789abcdef"


def statement(
    making: Making = GENERATED,
    source_type: SourceType | None = SourceType.TRAINED_ALGORITHMIC_MEDIA,
    sources: tuple[Source, ...] = (),
    most_bytes: int | None = None,
) -> Statement:
    """What a production engine's result says."""
    return Statement(making, source_type, "production", MODEL, sources, most_bytes)


@pytest.fixture
def signs_as(settings, tmp_path: Path) -> Callable[..., None]:
    """Have results signed with a new certificate from now on: ``signs_as(until=…)``."""

    def use(*, until: datetime | None = None) -> None:
        chain, key = certificates.create_development_certificate(until=until)
        path = tmp_path / f"{uuid4()}.pem"
        path.write_text(chain)
        settings.C2PA_CERTIFICATE_PATH, settings.C2PA_PRIVATE_KEY = str(path), key

    return use


@pytest.fixture
def stored(filesystem_storage: ObjectStorage) -> Callable[[bytes, str], str]:
    """An object with this content and type; its key."""

    def store(content: bytes, content_type: str) -> str:
        key = f"users/{uuid4()}/jobs/{uuid4()}/{uuid4()}/result-0.bin"
        object_storage().write(key, content, content_type)
        return key

    return store


def mark(key: str, content_type: str, said: Statement) -> SignedResult:
    """Sign it in its place."""
    return credentials.sign_result(
        key, content_type=content_type, statement=said, tick=lambda: None
    )


def content_of(key: str) -> bytes:
    return object_storage().read(key, 10_000_000)


def read(key: str, content_type: str, most_bytes: int = 10_000_000) -> FileCredentials:
    """What an object says of itself."""
    return credentials.read_credentials(
        object_storage().probe_source(key),
        content_type=content_type,
        size_bytes=object_storage().head(key).size_bytes,
        most_bytes=most_bytes,
    )


def source_of(key: str, content_type: str, source_type: SourceType | None = None) -> Source:
    """An object as a source of another."""
    size = object_storage().head(key).size_bytes
    return Source(uuid4(), content_type, key, size, source_type)
