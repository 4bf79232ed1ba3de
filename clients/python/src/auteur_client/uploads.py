"""A file on its way: declared, sent whole or in parts, confirmed, checked."""

from __future__ import annotations

import mimetypes
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import httpx

from auteur_client.errors import ProblemError, UnreachableError
from auteur_client.http import IDEMPOTENCY_KEY, TRIES, Http, growing_pauses
from auteur_client.jobs import poll_pauses

if TYPE_CHECKING:
    from auteur_client.api.models import Media, Upload

UPLOADING, CHECKING = "uploading", "checking"
CHUNK_BYTES = 256 * 1024
SEND_TIMEOUT = httpx.Timeout(60.0, connect=10.0, read=600.0)
"""A storage answers when all bytes lie safely."""
PARTS_AT_ONCE = 4
UPLOAD_OVER = "upload_over"

OnBytes = Callable[[int, int], object]
"""Bytes sent, bytes in all."""

_types = mimetypes.MimeTypes()
for _suffix, _type in {
    ".avif": "image/avif",
    ".flac": "audio/flac",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".m4a": "audio/mp4",
    ".mkv": "video/x-matroska",
    ".mxf": "application/mxf",
    ".ogg": "audio/ogg",
    ".opus": "audio/opus",
    ".ts": "video/mp2t",
    ".webm": "video/webm",
    ".webp": "image/webp",
}.items():
    _types.add_type(_type, _suffix)


def content_type_of(path: Path) -> str:
    """What a browser would say that the file is, going by its name."""
    return _types.guess_type(path.name)[0] or "application/octet-stream"


def begin(
    http: Http,
    path: Path,
    project_id: UUID | str,
    *,
    content_type: str | None,
    idempotency_key: str | None,
) -> Upload:
    """Declare a file: where its bytes go."""
    from auteur_client.api.models import Upload  # noqa: PLC0415

    headers = {IDEMPOTENCY_KEY: idempotency_key} if idempotency_key else {}
    body = {
        "filename": path.name,
        "content_type": content_type or content_type_of(path),
        "size_bytes": path.stat().st_size,
    }
    answer = http.request(
        "POST", f"/projects/{project_id}/media/upload-url", json=body, headers=headers
    )
    return Upload.from_dict(answer.json())


def missing(http: Http, project_id: UUID | str, media_id: UUID | str) -> Upload | None:
    """What is still to be sent, with fresh URLs; None where all has arrived."""
    from auteur_client.api.models import Upload  # noqa: PLC0415

    try:
        answer = http.request("GET", f"/projects/{project_id}/media/{media_id}/upload")
    except ProblemError as exc:
        if exc.code != UPLOAD_OVER:
            raise
        return None
    return Upload.from_dict(answer.json())


def finish(http: Http, project_id: UUID | str, media_id: UUID | str) -> Media:
    """Have what was sent checked; the media file, ready. Raises ``UploadRejectedError``."""
    from auteur_client.api.models import ConfirmedMedia  # noqa: PLC0415

    pauses = poll_pauses()
    while True:
        answer = http.request("POST", f"/projects/{project_id}/media/{media_id}/confirm")
        media = ConfirmedMedia.from_dict(answer.json()).media
        if media.status not in (UPLOADING, CHECKING):
            return media
        time.sleep(next(pauses))


def send(
    http: Http,
    path: Path,
    project_id: UUID | str,
    upload: Upload | None,
    on_progress: OnBytes,
) -> None:
    """Send all that is missing; URLs that expire meanwhile are asked for anew."""
    sending = Sending(http, path, on_progress)
    left = None
    while upload is not None:
        now = sum(not part.received for part in upload.parts) if upload.parts else 1
        if left is not None and now >= left:
            raise UnreachableError("The storage refuses the URLs that the API signs.")
        left = now
        if sending.send(upload):
            return
        upload = missing(http, project_id, upload.media_id)


class Sending:
    """The bytes of one file, from several threads; what was sent is counted."""

    def __init__(self, http: Http, path: Path, on_progress: OnBytes) -> None:
        self._http = http
        self._path = path
        self._total = path.stat().st_size
        self._on_progress = on_progress
        self._sent: dict[int, int] = {}  # by where a part begins
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def send(self, upload: Upload) -> bool:
        """Send what is missing; False where it must be asked anew what is, for URLs expire."""
        if upload.parts is None:
            return self._send_part(str(upload.upload_url), 0, self._total, upload)
        for part in upload.parts:
            if part.received:
                self._count(part.offset, part.size_bytes)
        waiting = [part for part in upload.parts if not part.received]
        pool = ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="auteur-upload")
        try:
            sent = list(
                pool.map(
                    lambda p: self._send_part(str(p.upload_url), p.offset, p.size_bytes, upload),
                    waiting,
                )
            )
        finally:
            self._stopped.set()
            pool.shutdown(cancel_futures=True)
        self._stopped.clear()
        return all(sent)

    def _send_part(self, url: str, offset: int, size: int, upload: Upload) -> bool:
        for pause in islice(growing_pauses(), TRIES - 1):
            try:
                return self._try_part(url, offset, size, upload)
            except UnreachableError:
                self._stopped.wait(pause)
            except ProblemError as exc:
                if exc.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                self._stopped.wait(pause)
        return self._try_part(url, offset, size, upload)

    def _try_part(self, url: str, offset: int, size: int, upload: Upload) -> bool:
        headers = {**upload.headers.to_dict(), "Content-Length": str(size)}
        request = self._http.signed.build_request(
            upload.method,
            url,
            content=self._bytes_of(offset, size),
            headers=headers,
            timeout=SEND_TIMEOUT,
        )
        try:
            self._http.signed.send_once(request)
        except ProblemError as exc:
            if exc.status == HTTPStatus.PRECONDITION_FAILED:
                return True  # it had arrived, and may be written once
            if exc.status == HTTPStatus.FORBIDDEN:
                return False
            raise
        return True

    def _bytes_of(self, offset: int, size: int) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(offset)
            done = 0
            self._count(offset, done)
            while done < size and not self._stopped.is_set():
                chunk = file.read(min(CHUNK_BYTES, size - done))
                if not chunk:
                    break
                yield chunk
                done += len(chunk)
                self._count(offset, done)

    def _count(self, offset: int, done: int) -> None:
        with self._lock:
            self._sent[offset] = done
            self._on_progress(sum(self._sent.values()), self._total)
