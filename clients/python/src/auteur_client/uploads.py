"""Upload files: declare, send whole or in parts, confirm, and wait for the check."""

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
from auteur_client.http import IDEMPOTENCY_KEY, TRIES, Http, iterate_pauses
from auteur_client.jobs import iterate_poll_pauses

if TYPE_CHECKING:
    from auteur_client.api.models import Media, Upload

UPLOADING, CHECKING = "uploading", "checking"
CHUNK_BYTES = 256 * 1024
SEND_TIMEOUT = httpx.Timeout(60.0, connect=10.0, read=600.0)
"""A storage answers only after it has stored all bytes."""
PARTS_AT_ONCE = 4
UPLOAD_OVER = "upload_over"

OnBytes = Callable[[int, int], object]
"""Receives the bytes sent, and the size of the file."""

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


def guess_content_type(path: Path) -> str:
    """Guess the content type from the file name, as browsers do."""
    return _types.guess_type(path.name)[0] or "application/octet-stream"


def begin(
    http: Http,
    path: Path,
    project_id: UUID | str,
    *,
    content_type: str | None,
    idempotency_key: str | None,
) -> Upload:
    """Declare a file and return where to send its bytes."""
    from auteur_client.api.models import Upload  # noqa: PLC0415

    headers = {IDEMPOTENCY_KEY: idempotency_key} if idempotency_key else {}
    body = {
        "filename": path.name,
        "content_type": content_type or guess_content_type(path),
        "size_bytes": path.stat().st_size,
    }
    answer = http.request(
        "POST", f"/projects/{project_id}/media/upload-url", json=body, headers=headers
    )
    return Upload.from_dict(answer.json())


def find_missing_parts(http: Http, project_id: UUID | str, media_id: UUID | str) -> Upload | None:
    """Return the missing parts with newly signed URLs, or None if all bytes have arrived."""
    from auteur_client.api.models import Upload  # noqa: PLC0415

    try:
        answer = http.request("GET", f"/projects/{project_id}/media/{media_id}/upload")
    except ProblemError as exc:
        if exc.code != UPLOAD_OVER:
            raise
        return None
    return Upload.from_dict(answer.json())


def finish(http: Http, project_id: UUID | str, media_id: UUID | str) -> Media:
    """Confirm an upload and wait for its check; raise ``UploadRejectedError`` if it is rejected."""
    from auteur_client.api.models import ConfirmedMedia  # noqa: PLC0415

    pauses = iterate_poll_pauses()
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
    """Send all missing parts; request new URLs for those that expire meanwhile."""
    sender = FileSender(http, path, on_progress)
    previous_count = None
    while upload is not None:
        missing_count = sum(not part.received for part in upload.parts) if upload.parts else 1
        if previous_count is not None and missing_count >= previous_count:
            raise UnreachableError(
                "The storage refuses the URLs that the API has signed. Ask its operator."
            )
        previous_count = missing_count
        if sender.send(upload):
            return
        upload = find_missing_parts(http, project_id, upload.media_id)


class FileSender:
    """A sender of one file from several threads, which counts the bytes sent."""

    def __init__(self, http: Http, path: Path, on_progress: OnBytes) -> None:
        self._http = http
        self._path = path
        self._total = path.stat().st_size
        self._on_progress = on_progress
        self._sent: dict[int, int] = {}  # by the offset of a part
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def send(self, upload: Upload) -> bool:
        """Send the missing parts; return False if a URL has expired and new ones are needed."""
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
        for pause in islice(iterate_pauses(), TRIES - 1):
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
            content=self._read_bytes(offset, size),
            headers=headers,
            timeout=SEND_TIMEOUT,
        )
        try:
            self._http.signed.send_once(request)
        except ProblemError as exc:
            if exc.status == HTTPStatus.PRECONDITION_FAILED:
                return True  # an earlier try has stored the part
            if exc.status == HTTPStatus.FORBIDDEN:
                return False
            raise
        return True

    def _read_bytes(self, offset: int, size: int) -> Iterator[bytes]:
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
