"""Sign results in the storage before anyone can download them, and read files' credentials."""

import base64
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from auteur.core.api.problems import UnavailableProblem
from gpu_tasks.runtime.confinement import Limits
from gpu_tasks.runtime.errors import EngineError, ErrorCode, InputRefusedError
from gpu_tasks.runtime.memory_budget import Reservation
from gpu_tasks.runtime.sandbox import SandboxFailedError
from media.inspection import TooComplexError, inspect, inspect_with
from media.limits import MARKING, READING_CREDENTIALS
from media.probes import Probe
from media.provenance import certificates
from media.provenance.certificates import Identity, UnusableCertificateError
from media.provenance.formats import find_format
from media.provenance.manifests import is_signed_by
from media.provenance.statements import Source, Statement
from media.storage import object_storage
from media.storage.multipart import choose_part_bytes

logger = logging.getLogger(__name__)

MAX_READ_SOURCES = 10
"""Sources whose manifests are embedded in the result; further ones are only named."""
MAX_ARCHIVE_BYTES = 256 * 1024
"""The largest manifests of a source that are embedded; with larger ones it is only named."""
MAX_ARCHIVE_BYTES_OF_LIMITED = 18_000
"""The same limit for results with a maximum size."""
MAX_SOURCE_BYTES = 512 * 1024**2
"""The largest source whose manifests are embedded: the whole file is read to check them."""
SIGNED_FILE_NAME = "signed"
"""The signed file's name in the sandbox's folder."""
MARKING_FAILED = "The result could not be marked as generated media."


@dataclass
class SignedResult:
    """A probed result, its size after signing, and what is recorded about its credentials."""

    probe: Probe
    size_bytes: int
    credentials: dict[str, Any] = field(default_factory=dict)


def get_identity() -> Identity | None:
    """Return the signing identity of the settings, or None if no certificate is set.

    It may have expired: ``Identity.check``. Raises ``UnusableCertificateError``.
    """
    if not settings.C2PA_CERTIFICATE_PATH:
        return None
    return certificates.load_identity(settings.C2PA_CERTIFICATE_PATH, settings.C2PA_PRIVATE_KEY)


def check_signing() -> None:
    """Raise ``UnusableCertificateError`` if a certificate is set that cannot sign results now."""
    signer = get_identity()
    if signer is not None:
        signer.check()


def sign_result(
    key: str, *, content_type: str, statement: Statement, tick: Callable[[], None]
) -> SignedResult:
    """Probe a result, and replace it with a signed copy; it can be repeated.

    Raises ``InputRefusedError`` for a file that is no media; ``UnavailableProblem`` if the storage
    or our certificate is unusable, because no result is published unmarked for that reason;
    ``EngineError`` if a generated result cannot be signed although its format can.
    """
    record: dict[str, Any] = {"digital_source_type": None}
    if statement.source_type is not None:
        record["digital_source_type"] = statement.source_type.uri
    identity, format_name = _get_usable_identity(), find_format(content_type)
    if identity is None:
        return _build_unsigned_result(key, record | {"status": "off"}, tick)
    if format_name is None:
        return _build_unsigned_result(key, record | {"status": "unsupported"}, tick)
    if object_storage().head(key).size_bytes > settings.C2PA_MAX_BYTES:
        return _build_unsigned_result(key, record | {"status": "too_large"}, tick)
    try:
        with tempfile.TemporaryDirectory(prefix="auteur-marking-") as folder:
            result = _sign_in_sandbox(
                key, content_type, format_name, statement, identity, Path(folder), tick
            )
    except (TooComplexError, SandboxFailedError) as exc:
        # The library reached a limit or failed. A probe without it refuses files that are no media.
        probe = inspect(object_storage().probe_source(key), tick)
        result = _handle_signing_failure(key, probe, statement, f"{type(exc).__name__}: {exc}")
    result.credentials = record | result.credentials
    return result


def _build_unsigned_result(
    key: str, record: dict[str, Any], tick: Callable[[], None]
) -> SignedResult:
    storage = object_storage()
    return SignedResult(
        inspect(storage.probe_source(key), tick), storage.head(key).size_bytes, record
    )


def _get_usable_identity() -> Identity | None:
    try:
        identity = get_identity()
        if identity is not None:
            identity.check()
    except UnusableCertificateError as exc:
        # The job waits for a certificate as it waits for a storage in an outage.
        logger.warning("results wait for a certificate that can sign them: %s", exc)
        raise UnavailableProblem from exc
    return identity


def _sign_in_sandbox(
    key: str,
    content_type: str,
    format_name: str,
    statement: Statement,
    identity: Identity,
    folder: Path,
    tick: Callable[[], None],
) -> SignedResult:
    archives, ingredients = _build_ingredients(statement, identity, tick)
    uri = statement.source_type.uri if statement.source_type else None
    report = inspect_with(
        "media.provenance.signing:probe_and_sign",
        object_storage().probe_source(key),
        limits=MARKING,
        tick=tick,
        folder=folder,
        reply=lambda question: identity.sign(base64.b64decode(question)),
        target_name=SIGNED_FILE_NAME,
        format_name=format_name,
        definition=statement.definition() | {"ingredients": ingredients},
        archives=archives,
        source_type=uri,
        certificates=identity.chain_pem,
        serial_number=identity.serial_number,
        algorithm=identity.algorithm,
        anchors=identity.anchors_pem,
    )
    probe = Probe(**report["probe"])
    if report["failure"] is not None:
        return _handle_signing_failure(key, probe, statement, str(report["failure"]))
    if report["is_marked"]:  # An earlier try has signed it.
        size_bytes = object_storage().head(key).size_bytes
    elif _is_within_limit(folder / SIGNED_FILE_NAME, statement):
        size_bytes = _replace_object(key, content_type, folder / SIGNED_FILE_NAME, tick)
    else:
        return SignedResult(probe, object_storage().head(key).size_bytes, {"status": "no_room"})
    return SignedResult(
        probe, size_bytes, {"status": "signed", "certificate": identity.serial_number}
    )


def _is_within_limit(path: Path, statement: Statement) -> bool:
    return statement.most_bytes is None or path.stat().st_size <= statement.most_bytes


def _handle_signing_failure(
    key: str, probe: Probe, statement: Statement, failure: str
) -> SignedResult:
    logger.error("a result cannot be signed: %s", failure)
    if statement.source_type is not None and statement.source_type.is_synthetic:
        raise EngineError(ErrorCode.MODEL_ERROR, MARKING_FAILED)
    # A result without generated content is published without a label.
    return SignedResult(probe, object_storage().head(key).size_bytes, {"status": "failed"})


def _replace_object(key: str, content_type: str, path: Path, tick: Callable[[], None]) -> int:
    """Replace an object with a file, uploaded in parts, and return its size in bytes."""
    storage, size_bytes = object_storage(), path.stat().st_size
    upload_id = storage.begin_parts(key, content_type=content_type)
    part_bytes = choose_part_bytes(size_bytes)
    with path.open("rb") as content:
        number = 0
        while part := content.read(part_bytes):
            number += 1
            storage.write_part(key, upload_id, number, part)
            tick()
    storage.join_parts(key, upload_id, storage.list_stored_parts(key, upload_id))
    return size_bytes


def _build_ingredients(
    statement: Statement, identity: Identity, tick: Callable[[], None]
) -> tuple[list[str], list[dict[str, Any]]]:
    """Return archives of the sources that have manifests, and the other sources by name."""
    archives: list[str] = []
    ingredients: list[dict[str, Any]] = []
    generated_first = sorted(statement.sources, key=lambda source: source.source_type is None)
    sources_to_read = generated_first[:MAX_READ_SOURCES]
    for source in statement.sources:
        archive = (
            _build_ingredient_archive(statement, source, identity, tick)
            if source in sources_to_read
            else None
        )
        if archive is None:
            ingredients.append(statement.ingredient(source))
        else:
            archives.append(archive)
    return archives, ingredients


def _build_ingredient_archive(
    statement: Statement, source: Source, identity: Identity, tick: Callable[[], None]
) -> str | None:
    format_name = find_format(source.content_type)
    if format_name is None or source.size_bytes > MAX_SOURCE_BYTES:
        return None
    try:
        archive = inspect_with(
            "media.provenance.reading:create_archive",
            object_storage().probe_source(source.object_key),
            limits=READING_CREDENTIALS,
            tick=tick,
            format_name=format_name,
            ingredient=statement.ingredient(source),
            anchors=identity.anchors_pem,
            most_bytes=MAX_ARCHIVE_BYTES
            if statement.most_bytes is None
            else MAX_ARCHIVE_BYTES_OF_LIMITED,
        )
    except (InputRefusedError, SandboxFailedError) as exc:
        logger.warning("credentials of media %s not read: %s", source.media_id, exc)
        return None
    return None if archive is None else str(archive)


@dataclass(frozen=True)
class FileCredentials:
    """A file's content credentials, or the reason why they were not read."""

    not_read: str | None = None
    """The reason: `unsupported_format`, `too_large` or `unreadable`; None if the file was read."""
    report: dict[str, Any] | None = None
    """The result of `reading.read_lines`; None if the file has no credentials or was not read."""
    is_ours: bool = False
    """True if the credentials are valid and signed with our current certificate."""


def find_skip_reason(content_type: str, size_bytes: int, most_bytes: int) -> FileCredentials | None:
    """Return the reason not to read a file, by its type and size, or None to read it."""
    if find_format(content_type) is None:
        return FileCredentials("unsupported_format")
    return FileCredentials("too_large") if size_bytes > most_bytes else None


def read_credentials(
    path_or_url: str,
    *,
    content_type: str,
    size_bytes: int,
    most_bytes: int,
    limits: Limits = READING_CREDENTIALS,
    memory: Reservation | None = None,
) -> FileCredentials:
    """Return what the credentials of the file at a path or URL say, and whether they hold.

    Files above ``most_bytes`` are not read, because the check hashes the whole file. Raises
    ``UnavailableProblem`` if the storage did not answer.
    """
    if refusal := find_skip_reason(content_type, size_bytes, most_bytes):
        return refusal
    try:
        identity = get_identity()
    except UnusableCertificateError as exc:
        logger.warning("our own credentials cannot be recognized: %s", exc)
        identity = None
    try:
        report = inspect_with(
            "media.provenance.reading:read_summary",
            path_or_url,
            limits=limits,
            memory=memory,
            format_name=find_format(content_type),
            anchors=identity.anchors_pem if identity else "",
        )
    except InputRefusedError:
        return FileCredentials("unreadable")
    except SandboxFailedError:
        logger.exception("the credentials of a file were not read")
        return FileCredentials("unreadable")
    is_ours = (
        report is not None and identity is not None and is_signed_by(report, identity.serial_number)
    )
    return FileCredentials(None, report, is_ours)
