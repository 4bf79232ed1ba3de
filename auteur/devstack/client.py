"""A client of the REST API as a script would write one: a token, JSON, problem documents."""

import contextlib
import json
import mimetypes
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import requests

from gpu_tasks.runtime.errors import AuteurError

TIMEOUT_SECONDS = 60.0
UPLOAD_SECONDS = 600.0
CHUNK_BYTES = 1024 * 1024
FIRST_POLL_SECONDS = 0.3
LAST_POLL_SECONDS = 2.0  # below the rate limit for as long as it takes
POLL_GROWTH = 1.15
READY = "ready"
PROGRESS = "job.progress"
ENDED = ("completed", "failed", "cancelled")
TOO_MANY_REQUESTS = 429

Json = dict[str, Any]

_types = mimetypes.MimeTypes()
for _suffix, _type in {
    ".flac": "audio/flac",
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


@dataclass(frozen=True)
class Event:
    """A server-sent event."""

    id: str
    type: str
    data: Json


class RefusedError(AuteurError):
    """The API answered with a problem document."""

    def __init__(self, response: requests.Response) -> None:
        try:
            self.problem: Json = response.json()
        except requests.JSONDecodeError:
            self.problem = {}
        self.code = self.problem.get("code", "")
        detail = self.problem.get("detail") or response.reason
        fields = "; ".join(
            f"{error['field']}: {error['detail']}" for error in self.problem.get("errors", ())
        )
        reason = f"{detail} ({fields})" if fields else detail
        super().__init__(f"{response.status_code} {self.code}: {reason}")


class Client:
    """The API with one user's token; at ``live_url`` it is told what happens."""

    def __init__(self, url: str, token: str, live_url: str = "") -> None:
        self._url = url
        self._live_url = live_url or url
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands between us and this machine
        self._token = token

    def get(self, path: str) -> Json:
        return self._call("GET", path)

    def post(self, path: str, body: Json | None = None) -> Json:
        return self._call("POST", path, body or {})

    def patch(self, path: str, body: Json) -> Json:
        return self._call("PATCH", path, body)

    def download(self, url: str, target: Path) -> Path:
        """Bring a file here from a signed URL; returns where it lies."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._session.get(url, stream=True, timeout=UPLOAD_SECONDS) as response:
            if not response.ok:
                raise RefusedError(response)
            with target.open("wb") as file:
                file.writelines(response.iter_content(CHUNK_BYTES))
        return target

    def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        while True:
            response = self._session.request(
                method,
                self._url + path,
                json=body,
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=TIMEOUT_SECONDS,
            )
            if response.status_code != TOO_MANY_REQUESTS:
                break
            time.sleep(float(response.headers.get("Retry-After", 1)))
        if not response.ok:
            raise RefusedError(response)
        found: Json = response.json()
        return found

    def _put(self, url: str, body: BinaryIO | bytes, headers: dict[str, str]) -> None:
        response = self._session.put(url, data=body, headers=headers, timeout=UPLOAD_SECONDS)
        if not response.ok:
            raise RefusedError(response)

    def upload(self, project_id: str, file: Path) -> Json:
        """Ask for a URL, send the bytes there, confirm; the media file, once it is ready.

        Large ones go in parts. Raises ``RefusedError`` where the file is rejected.
        """
        media = f"/projects/{project_id}/media"
        upload = self.post(
            f"{media}/upload-url",
            {
                "filename": file.name,
                "content_type": content_type(file),
                "size_bytes": file.stat().st_size,
            },
        )
        with file.open("rb") as body:
            if upload["parts"] is None:
                self._put(upload["upload_url"], body, upload["headers"])
            for part in upload["parts"] or ():
                body.seek(part["offset"])
                self._put(part["upload_url"], body.read(part["size_bytes"]), upload["headers"])
        found: Json = {}
        for pause in _pauses():
            found = self.post(f"{media}/{upload['media_id']}/confirm")["media"]
            if found["status"] == READY:
                break
            time.sleep(pause)
        return found

    def wait(self, job_id: str, on_progress: Callable[[Json], None]) -> Json:
        """Follow a job until it has ended; each news goes to ``on_progress``, as the job."""
        path = f"/jobs/{job_id}"
        job = self.get(path)
        on_progress(job)
        last = ""
        for pause in _pauses():
            with contextlib.suppress(requests.RequestException):  # it begins anew where it broke
                for event in self._stream(f"{path}/events", last):
                    if event.type == PROGRESS:
                        job = job | _running(event.data)
                    else:
                        last = event.id or last
                        job = self.get(path)
                    on_progress(job)
            job = self.get(path)
            if job["status"] in ENDED:
                break
            time.sleep(pause)
        return job

    def _stream(self, path: str, last: str) -> Iterator[Event]:
        """Server-sent events, after the ``last`` one."""
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "text/event-stream"}
        if last:
            headers["Last-Event-ID"] = last
        with self._session.get(
            self._live_url + path, headers=headers, stream=True, timeout=TIMEOUT_SECONDS
        ) as response:
            if not response.ok:
                raise RefusedError(response)
            fields: dict[str, str] = {}
            for line in response.iter_lines(chunk_size=1, decode_unicode=True):
                name, _, value = line.partition(":")
                if name:
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    yield Event(
                        fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"])
                    )
                if not line:
                    fields = {}

    def transactions(self, job_ids: set[str]) -> list[Json]:
        """What these jobs did to the credits, oldest first."""
        rows = self.get("/credits/history")["transactions"]
        return [row for row in reversed(rows) if row["job_id"] in job_ids]


def _running(told: Json) -> Json:
    """What progress says of its job."""
    return {
        "status": "processing",
        "progress": told["progress"] / 100,
        "stage": told["stage"],
        "estimated_end_at": told["eta_at"],
        "queue_position": None,
    }


def _pauses() -> Iterator[float]:
    pause = FIRST_POLL_SECONDS
    while True:
        yield pause
        pause = min(pause * POLL_GROWTH, LAST_POLL_SECONDS)


def content_type(file: Path) -> str:
    """What a browser would say that the file is, going by its name."""
    return _types.guess_type(file.name)[0] or "application/octet-stream"
