"""Results are signed where they lie, before anybody can fetch them; files are read back."""

import base64
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from auteur.api.problems import UnavailableProblem
from gpu_tasks.runtime.confinement import Limits
from gpu_tasks.runtime.errors import EngineError, ErrorCode, InputRefusedError
from gpu_tasks.runtime.memory_budget import Reservation
from gpu_tasks.runtime.sandbox import SandboxFailedError
from media.inspection import TooComplexError, inspect, inspect_with
from media.limits import MARKING, READING_CREDENTIALS
from media.probes import Probe
from media.provenance import certificates
from media.provenance.certificates import Identity, UnusableCertificateError
from media.provenance.formats import format_of
from media.provenance.manifests import is_by
from media.provenance.statements import Source, Statement
from media.storage import object_storage
from media.storage.multipart import part_bytes_of

logger = logging.getLogger(__name__)

MAX_READ_SOURCES = 10
"""Of which the manifests of their own are taken along; further ones are only named."""
MAX_ARCHIVE_BYTES = 256 * 1024
"""Of a source's manifests; it is only named where they are larger,"""
LITTLE_ROOM_BYTES = 18_000
"""or so large, where a size was asked for."""
MAX_SOURCE_BYTES = 512 * 1024**2
"""Of a source whose manifests are taken along: all of it is read to check them."""
SIGNED = "signed"
"""The file in the folder of a sandbox."""
NOT_MARKED = "The result could not be marked as generated."


@dataclass
class SignedResult:
    """A result that was looked at: what it is, how large it is now, and what it says of itself."""

    probe: Probe
    size_bytes: int
    credentials: dict[str, Any] = field(default_factory=dict)


def get_identity() -> Identity | None:
    """Who signs, by the settings, though perhaps not today (``check``); None where nobody does.

    Raises ``UnusableCertificateError``.
    """
    if not settings.C2PA_CERTIFICATE_PATH:
        return None
    return certificates.load(settings.C2PA_CERTIFICATE_PATH, settings.C2PA_PRIVATE_KEY)


def check_signing() -> None:
    """Raise ``UnusableCertificateError`` if a certificate is set that cannot sign results now."""
    signer = get_identity()
    if signer is not None:
        signer.check()


def sign_result(
    key: str, *, content_type: str, statement: Statement, tick: Callable[[], None]
) -> SignedResult:
    """Look at a result, and put a signed copy in its place; done twice, it is signed anew.

    Raises ``InputRefusedError`` for what is no media; ``UnavailableProblem`` where the storage or
    our certificate is away: nothing goes out unmarked because of that; ``EngineError`` where
    something generated cannot be marked although its format can.
    """
    said: dict[str, Any] = {"digital_source_type": None}
    if statement.source_type is not None:
        said["digital_source_type"] = statement.source_type.uri
    signer, format_name = _signer(), format_of(content_type)
    if signer is None:
        return _left(key, said | {"status": "off"}, tick)
    if format_name is None:
        return _left(key, said | {"status": "unsupported"}, tick)
    if object_storage().head(key).size_bytes > settings.C2PA_MAX_BYTES:
        return _left(key, said | {"status": "too_large"}, tick)
    try:
        with tempfile.TemporaryDirectory(prefix="auteur-marking-") as folder:
            marked = _mark(key, content_type, format_name, statement, signer, Path(folder), tick)
    except (TooComplexError, SandboxFailedError) as exc:
        # The library's limit, or its fault: what is no media is refused by a look without it.
        probe = inspect(object_storage().probe_source(key), tick)
        marked = _unmarked(key, probe, statement, f"{type(exc).__name__}: {exc}")
    marked.credentials = said | marked.credentials
    return marked


def _left(key: str, said: dict[str, Any], tick: Callable[[], None]) -> SignedResult:
    storage = object_storage()
    return SignedResult(
        inspect(storage.probe_source(key), tick), storage.head(key).size_bytes, said
    )


def _signer() -> Identity | None:
    try:
        found = get_identity()
        if found is not None:
            found.check()
    except UnusableCertificateError as exc:
        # A job waits for it, as for a store that is away.
        logger.warning("results wait for a certificate that can sign them: %s", exc)
        raise UnavailableProblem from exc
    return found


def _mark(
    key: str,
    content_type: str,
    format_name: str,
    statement: Statement,
    signer: Identity,
    folder: Path,
    tick: Callable[[], None],
) -> SignedResult:
    taken, named = _ingredients(statement, signer, tick)
    uri = statement.source_type.uri if statement.source_type else None
    found = inspect_with(
        "media.provenance.signing:look_and_mark",
        object_storage().probe_source(key),
        limits=MARKING,
        tick=tick,
        folder=folder,
        reply=lambda question: signer.sign(base64.b64decode(question)),
        target_name=SIGNED,
        format_name=format_name,
        definition=statement.definition() | {"ingredients": named},
        archives=taken,
        source_type=uri,
        certificates=signer.chain_pem,
        serial_number=signer.serial_number,
        algorithm=signer.algorithm,
        anchors=signer.anchors_pem,
    )
    probe = Probe(**found["probe"])
    if found["failure"] is not None:
        return _unmarked(key, probe, statement, str(found["failure"]))
    if found["is_marked"]:  # by a try before this one
        size_bytes = object_storage().head(key).size_bytes
    elif _has_room(folder / SIGNED, statement):
        size_bytes = _replace(key, content_type, folder / SIGNED, tick)
    else:
        return SignedResult(probe, object_storage().head(key).size_bytes, {"status": "no_room"})
    return SignedResult(
        probe, size_bytes, {"status": "signed", "certificate": signer.serial_number}
    )


def _has_room(path: Path, statement: Statement) -> bool:
    return statement.most_bytes is None or path.stat().st_size <= statement.most_bytes


def _unmarked(key: str, probe: Probe, statement: Statement, failure: str) -> SignedResult:
    logger.error("a result cannot be signed: %s", failure)
    if statement.source_type is not None and statement.source_type.is_synthetic:
        raise EngineError(ErrorCode.MODEL_ERROR, NOT_MARKED)
    # A film that nobody generated is not lost for want of a label.
    return SignedResult(probe, object_storage().head(key).size_bytes, {"status": "failed"})


def _replace(key: str, content_type: str, path: Path, tick: Callable[[], None]) -> int:
    """Put a file in an object's place, in parts; how large it is."""
    storage, size_bytes = object_storage(), path.stat().st_size
    upload_id = storage.begin_parts(key, content_type=content_type)
    part_bytes = part_bytes_of(size_bytes)
    with path.open("rb") as content:
        number = 0
        while part := content.read(part_bytes):
            number += 1
            storage.write_part(key, upload_id, number, part)
            tick()
    storage.join_parts(key, upload_id, storage.stored_parts(key, upload_id))
    return size_bytes


def _ingredients(
    statement: Statement, signer: Identity, tick: Callable[[], None]
) -> tuple[list[str], list[dict[str, Any]]]:
    """The sources with manifests of their own as archives, and the others by name."""
    taken: list[str] = []
    named: list[dict[str, Any]] = []
    generated_first = sorted(statement.sources, key=lambda source: source.source_type is None)
    read = generated_first[:MAX_READ_SOURCES]
    for source in statement.sources:
        archive = _archive(statement, source, signer, tick) if source in read else None
        if archive is None:
            named.append(statement.ingredient(source))
        else:
            taken.append(archive)
    return taken, named


def _archive(
    statement: Statement, source: Source, signer: Identity, tick: Callable[[], None]
) -> str | None:
    format_name = format_of(source.content_type)
    if format_name is None or source.size_bytes > MAX_SOURCE_BYTES:
        return None
    try:
        found = inspect_with(
            "media.provenance.reading:archive",
            object_storage().probe_source(source.object_key),
            limits=READING_CREDENTIALS,
            tick=tick,
            format_name=format_name,
            ingredient=statement.ingredient(source),
            anchors=signer.anchors_pem,
            most_bytes=MAX_ARCHIVE_BYTES if statement.most_bytes is None else LITTLE_ROOM_BYTES,
        )
    except (InputRefusedError, SandboxFailedError) as exc:
        logger.warning("credentials of media %s not read: %s", source.media_id, exc)
        return None
    return None if found is None else str(found)


@dataclass(frozen=True)
class FileCredentials:
    """What a file says of itself, as far as it could be read."""

    not_read: str | None = None
    """Why it was not read: `unsupported_format`, `too_large`, `unreadable`."""
    said: dict[str, Any] | None = None
    """As `reading.read` has it; None where the file says nothing, or was not read."""
    is_ours: bool = False
    """Whether it holds, and was signed with our certificate of today."""


def not_read(content_type: str, size_bytes: int, most_bytes: int) -> FileCredentials | None:
    """Return why a file is not read, by its type and size alone; None where it is."""
    if format_of(content_type) is None:
        return FileCredentials("unsupported_format")
    return FileCredentials("too_large") if size_bytes > most_bytes else None


def read_credentials(
    place: str,
    *,
    content_type: str,
    size_bytes: int,
    most_bytes: int,
    limits: Limits = READING_CREDENTIALS,
    memory: Reservation | None = None,
) -> FileCredentials:
    """Return what the credentials of the file at a path or URL say, and whether they hold.

    Files above ``most_bytes`` are not read: checking hashes all of it. Raises
    ``UnavailableProblem`` where the storage did not answer.
    """
    if refused := not_read(content_type, size_bytes, most_bytes):
        return refused
    try:
        ours = get_identity()
    except UnusableCertificateError as exc:
        logger.warning("nothing is known as ours: %s", exc)
        ours = None
    try:
        said = inspect_with(
            "media.provenance.reading:read",
            place,
            limits=limits,
            memory=memory,
            format_name=format_of(content_type),
            anchors=ours.anchors_pem if ours else "",
        )
    except InputRefusedError:
        return FileCredentials("unreadable")
    except SandboxFailedError:
        logger.exception("the credentials of a file were not read")
        return FileCredentials("unreadable")
    is_ours = said is not None and ours is not None and is_by(said, ours.serial_number)
    return FileCredentials(None, said, is_ours)
